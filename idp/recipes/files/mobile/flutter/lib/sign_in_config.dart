// Written by `idp clients add --for mobile`. Nothing here is secret: everybody can read what is in an app.
const issuer = '«issuer»';
const clientId = '«client_id»';
const redirectUri = '«redirect_uri»';
const signedOutUri = '«post_logout_redirect_uri»';
const scope = '«scope»';
