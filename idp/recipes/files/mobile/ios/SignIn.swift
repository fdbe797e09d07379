import AppAuth
import UIKit

/// Signs people in with the browser of the phone. One for the whole app; AppAuth adds PKCE, state and nonce.
final class SignIn: NSObject, OIDAuthStateChangeDelegate {
    static let shared = SignIn()

    private var flow: OIDExternalUserAgentSession?
    private var state: OIDAuthState?

    var isSignedIn: Bool { state?.isAuthorized ?? false }

    override private init() {
        super.init()
        keep(TokenStore.load())
    }

    func signIn(from screen: UIViewController, done: @escaping (Error?) -> Void) {
        OIDAuthorizationService.discoverConfiguration(forIssuer: SignInConfig.issuer) { configuration, error in
            guard let configuration = configuration else { return done(error) }
            let request = OIDAuthorizationRequest(
                configuration: configuration,
                clientId: SignInConfig.clientID,
                clientSecret: nil,
                scopes: SignInConfig.scopes,
                redirectURL: SignInConfig.redirectURL,
                responseType: OIDResponseTypeCode,
                additionalParameters: nil
            )
            self.flow = OIDAuthState.authState(byPresenting: request, presenting: screen) { state, error in
                self.flow = nil
                if let state = state { self.keep(state) }
                done(error)
            }
        }
    }

    /// For each call of your API. Refreshes by rotation when needed; after a failure look at `isSignedIn`.
    func withAccessToken(_ use: @escaping (String?, Error?) -> Void) {
        guard let state = state else { return use(nil, nil) }
        state.performAction { accessToken, _, error in
            if !state.isAuthorized { self.keep(nil) } // refused for good; a lost network changes nothing
            use(accessToken, error)
        }
    }

    /// Ends the tokens, then the session of the browser: it asks the person and comes back.
    func signOut(from screen: UIViewController, done: @escaping (Error?) -> Void) {
        guard let state = state else { return done(nil) }
        let configuration = state.lastAuthorizationResponse.request.configuration
        revoke(state.refreshToken, at: configuration)
        keep(nil)
        let request = OIDEndSessionRequest(
            configuration: configuration,
            idTokenHint: nil, // a URL is no place for a token
            postLogoutRedirectURL: SignInConfig.signedOutURL,
            additionalParameters: ["client_id": SignInConfig.clientID]
        )
        let browser = OIDExternalUserAgentIOS(presenting: screen)
        flow = OIDAuthorizationService.present(request, externalUserAgent: browser) { _, error in
            self.flow = nil
            done(error)
        }
    }

    /// AppAuth calls this after each refresh: the new refresh token replaces the old one.
    func didChange(_ state: OIDAuthState) {
        if state === self.state { TokenStore.save(state) } // else somebody has signed out meanwhile
    }

    private func keep(_ state: OIDAuthState?) {
        self.state = state
        state?.stateChangeDelegate = self
        TokenStore.save(state)
    }

    private func revoke(_ token: String?, at configuration: OIDServiceConfiguration) {
        let endpoint = configuration.discoveryDocument?.discoveryDictionary["revocation_endpoint"] as? String
        guard let token = token, let endpoint = endpoint, let url = URL(string: endpoint) else { return }
        var form = URLComponents()
        form.queryItems = [
            URLQueryItem(name: "client_id", value: SignInConfig.clientID),
            URLQueryItem(name: "token", value: token),
        ]
        var request = URLRequest(url: url)
        request.httpMethod = "POST"
        request.setValue("application/x-www-form-urlencoded", forHTTPHeaderField: "Content-Type")
        request.httpBody = form.percentEncodedQuery?.data(using: .utf8)
        URLSession.shared.dataTask(with: request).resume() // the app has forgotten it in any case
    }
}
