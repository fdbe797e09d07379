// Written by `idp clients add --for spa`. Nothing here is secret: everybody who opens the page can read it.
export const issuer = '«issuer»'
export const clientId = '«client_id»'
export const redirectUri = '«redirect_uri»'
export const signedOutUri = '«post_logout_redirect_uri»'
export const scope = '«scope»'
