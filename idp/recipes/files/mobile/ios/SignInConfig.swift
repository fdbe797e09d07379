import Foundation

// Written by `idp clients add --for mobile`. Nothing here is secret: everybody can read what is in an app.
enum SignInConfig {
    static let issuer = URL(string: "«issuer»")!
    static let clientID = "«client_id»"
    static let redirectURL = URL(string: "«redirect_uri»")!
    static let signedOutURL = URL(string: "«post_logout_redirect_uri»")!
    static let scopes = "«scope»".components(separatedBy: " ")
}
