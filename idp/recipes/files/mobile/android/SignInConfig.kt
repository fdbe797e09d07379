package signin

// Written by `idp clients add --for mobile`. Nothing here is secret: everybody can read what is in an app.
const val ISSUER = "«issuer»"
const val CLIENT_ID = "«client_id»"
const val REDIRECT_URI = "«redirect_uri»"
const val SIGNED_OUT_URI = "«post_logout_redirect_uri»"
const val SCOPE = "«scope»"
