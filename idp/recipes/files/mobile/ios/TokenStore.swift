import AppAuth
import Security

/// Tokens at rest: in the Keychain of this phone, in no backup that another phone can read.
enum TokenStore {
    private static let item: [CFString: Any] = [
        kSecClass: kSecClassGenericPassword,
        kSecAttrService: "sign-in",
        kSecAttrAccount: "state",
    ]

    static func load() -> OIDAuthState? {
        var found: CFTypeRef?
        let query = item.merging([kSecReturnData: true]) { _, new in new }
        guard SecItemCopyMatching(query as CFDictionary, &found) == errSecSuccess, let data = found as? Data else {
            return nil
        }
        return try? NSKeyedUnarchiver.unarchivedObject(ofClass: OIDAuthState.self, from: data)
    }

    static func save(_ state: OIDAuthState?) {
        SecItemDelete(item as CFDictionary)
        guard let state = state,
              let data = try? NSKeyedArchiver.archivedData(withRootObject: state, requiringSecureCoding: true)
        else { return }
        let kept: [CFString: Any] = [
            kSecValueData: data,
            kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
        ]
        SecItemAdd(item.merging(kept) { _, new in new } as CFDictionary, nil)
    }
}
