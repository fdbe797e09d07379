package signin

import android.content.Context
import android.content.Intent
import android.net.Uri
import java.io.IOException
import java.net.HttpURLConnection
import java.net.URL
import kotlin.concurrent.thread
import net.openid.appauth.AuthState
import net.openid.appauth.AuthorizationException
import net.openid.appauth.AuthorizationRequest
import net.openid.appauth.AuthorizationResponse
import net.openid.appauth.AuthorizationService
import net.openid.appauth.AuthorizationServiceConfiguration
import net.openid.appauth.EndSessionRequest
import net.openid.appauth.ResponseTypeValues

/** Signs people in with the browser of the phone. Make one for the whole app; AppAuth adds PKCE, state and nonce. */
class SignIn(context: Context) {
    private val service = AuthorizationService(context)
    private val store = TokenStore(context)
    private var state = store.load()

    val isSignedIn get() = state.isAuthorized

    /** Start the intent with an ActivityResultLauncher and hand the data that comes back to [finish]. */
    fun begin(ready: (Intent?, AuthorizationException?) -> Unit) =
        AuthorizationServiceConfiguration.fetchFromIssuer(Uri.parse(ISSUER)) { configuration, error ->
            if (configuration == null) {
                ready(null, error)
            } else {
                val back = Uri.parse(REDIRECT_URI)
                val request = AuthorizationRequest.Builder(configuration, CLIENT_ID, ResponseTypeValues.CODE, back)
                ready(service.getAuthorizationRequestIntent(request.setScope(SCOPE).build()), null)
            }
        }

    /** The code becomes tokens. An error of type TYPE_GENERAL and code 1 is a person who went back. */
    fun finish(data: Intent, done: (AuthorizationException?) -> Unit) {
        val response = AuthorizationResponse.fromIntent(data) ?: return done(AuthorizationException.fromIntent(data))
        if (response.additionalParameters["iss"] != ISSUER) { // RFC 9207: the answer of another server
            return done(AuthorizationException.AuthorizationRequestErrors.STATE_MISMATCH)
        }
        service.performTokenRequest(response.createTokenExchangeRequest()) { tokens, error ->
            if (tokens != null) {
                state = AuthState(response, tokens, null)
                store.save(state)
            }
            done(error)
        }
    }

    /** For each call of your API. Refreshes by rotation when needed; after a failure look at [isSignedIn]. */
    fun withAccessToken(use: (String?, AuthorizationException?) -> Unit) =
        state.performActionWithFreshTokens(service) { accessToken, _, error ->
            if (state.isAuthorized) store.save(state) else forget() // refused for good; a lost network changes nothing
            use(accessToken, error)
        }

    /** Ends the tokens. Start the intent to end the session of the browser too: it asks the person and comes back. */
    fun signOut(): Intent? {
        val configuration = state.authorizationServiceConfiguration ?: return null
        state.refreshToken?.let { revoke(configuration, it) }
        forget()
        val request = EndSessionRequest.Builder(configuration)
            .setPostLogoutRedirectUri(Uri.parse(SIGNED_OUT_URI))
            .setAdditionalParameters(mapOf("client_id" to CLIENT_ID)) // no ID token: a URL is no place for one
        return service.getEndSessionRequestIntent(request.build())
    }

    private fun forget() {
        state = AuthState()
        store.clear()
    }

    private fun revoke(configuration: AuthorizationServiceConfiguration, token: String) = thread {
        val endpoint = configuration.discoveryDoc?.docJson?.optString("revocation_endpoint") ?: return@thread
        val connection = URL(endpoint).openConnection() as HttpURLConnection
        try {
            connection.doOutput = true
            val form = "client_id=${Uri.encode(CLIENT_ID)}&token=${Uri.encode(token)}"
            connection.outputStream.use { it.write(form.toByteArray()) }
            connection.responseCode
        } catch (_: IOException) { // the app has forgotten it in any case
        } finally {
            connection.disconnect()
        }
    }
}
