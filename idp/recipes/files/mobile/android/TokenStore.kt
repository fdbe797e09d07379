package signin

import android.content.Context
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import android.util.Base64
import java.security.GeneralSecurityException
import java.security.KeyStore
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec
import net.openid.appauth.AuthState

/** Tokens at rest: encrypted with a key that never leaves the Keystore of this phone. */
class TokenStore(context: Context) {
    private val preferences = context.getSharedPreferences("sign-in", Context.MODE_PRIVATE)

    fun load(): AuthState {
        val kept = preferences.getString("state", null) ?: return AuthState()
        return try {
            AuthState.jsonDeserialize(decrypt(kept))
        } catch (_: GeneralSecurityException) { // a backup of another phone, which had another key
            AuthState()
        }
    }

    fun save(state: AuthState) = preferences.edit().putString("state", encrypt(state.jsonSerializeString())).apply()

    fun clear() = preferences.edit().remove("state").apply()

    private fun encrypt(text: String): String {
        val cipher = Cipher.getInstance("AES/GCM/NoPadding")
        cipher.init(Cipher.ENCRYPT_MODE, key())
        return Base64.encodeToString(cipher.iv + cipher.doFinal(text.toByteArray()), Base64.NO_WRAP)
    }

    private fun decrypt(text: String): String {
        val bytes = Base64.decode(text, Base64.NO_WRAP)
        val cipher = Cipher.getInstance("AES/GCM/NoPadding")
        cipher.init(Cipher.DECRYPT_MODE, key(), GCMParameterSpec(128, bytes, 0, 12))
        return String(cipher.doFinal(bytes, 12, bytes.size - 12))
    }

    private fun key(): SecretKey {
        val keys = KeyStore.getInstance("AndroidKeyStore").apply { load(null) }
        (keys.getKey("sign-in", null) as SecretKey?)?.let { return it }
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        val wanted = KeyGenParameterSpec.Builder("sign-in", purposes)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
        return KeyGenerator.getInstance("AES", "AndroidKeyStore").apply { init(wanted.build()) }.generateKey()
    }
}
