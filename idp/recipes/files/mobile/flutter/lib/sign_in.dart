import 'dart:convert';

import 'package:flutter_appauth/flutter_appauth.dart';
import 'package:flutter_secure_storage/flutter_secure_storage.dart';
import 'package:http/http.dart' as http;

import 'sign_in_config.dart';

/// Signs people in with the browser of the phone. One for the whole app; AppAuth adds PKCE, state and nonce.
/// The tokens are in the Keychain or the Keystore.
class SignIn {
  final FlutterAppAuth _appAuth = const FlutterAppAuth();
  final FlutterSecureStorage _storage = const FlutterSecureStorage(
    iOptions: IOSOptions(accessibility: KeychainAccessibility.first_unlock_this_device),
  );
  Future<String?>? _refreshing;

  /// Throws FlutterAppAuthUserCancelledException when the person closes the browser.
  Future<void> signIn() async {
    final request = AuthorizationTokenRequest(clientId, redirectUri, issuer: issuer, scopes: scope.split(' '));
    await _keep(await _appAuth.authorizeAndExchangeCode(request));
  }

  /// For each call of your API. Refreshes by rotation when needed; null when nobody is signed in (any more).
  Future<String?> accessToken() async {
    final session = await _load();
    if (session == null) return null;
    final ends = DateTime.parse(session['ends']!);
    if (DateTime.now().isBefore(ends.subtract(const Duration(seconds: 30)))) return session['access_token'];
    return _refreshing ??= _refresh(session).whenComplete(() => _refreshing = null);
  }

  /// Ends the tokens, then the session of the browser. The ID token goes along, as this plugin wants it so; it opens
  /// no API.
  Future<void> signOut() async {
    final session = await _load();
    if (session == null) return;
    await _storage.delete(key: 'session');
    await _revoke(session['refresh_token']!).catchError((_) {}); // the app has forgotten it in any case
    await _appAuth.endSession(EndSessionRequest(
      idTokenHint: session['id_token'],
      postLogoutRedirectUrl: signedOutUri,
      issuer: issuer,
    ));
  }

  Future<String?> _refresh(Map<String, String> session) async {
    try {
      final request = TokenRequest(clientId, redirectUri, issuer: issuer, refreshToken: session['refresh_token']);
      final tokens = await _appAuth.token(request);
      if (await _load() == null) return null; // signed out meanwhile
      await _keep(tokens, before: session);
      return tokens.accessToken;
    } on FlutterAppAuthPlatformException catch (error) {
      if (error.platformErrorDetails.error != 'invalid_grant') rethrow; // such as no network
      await _storage.delete(key: 'session');
      return null;
    }
  }

  Future<void> _revoke(String token) async {
    final discovery = await http.get(Uri.parse('$issuer/.well-known/openid-configuration'));
    final endpoint = jsonDecode(discovery.body)['revocation_endpoint'] as String;
    await http.post(Uri.parse(endpoint), body: {'client_id': clientId, 'token': token});
  }

  Future<void> _keep(TokenResponse tokens, {Map<String, String> before = const {}}) {
    final session = {
      'access_token': tokens.accessToken!,
      'refresh_token': tokens.refreshToken ?? before['refresh_token']!,
      'id_token': tokens.idToken ?? before['id_token']!,
      'ends': tokens.accessTokenExpirationDateTime!.toIso8601String(),
    };
    return _storage.write(key: 'session', value: jsonEncode(session));
  }

  Future<Map<String, String>?> _load() async {
    final kept = await _storage.read(key: 'session');
    return kept == null ? null : Map<String, String>.from(jsonDecode(kept) as Map);
  }
}
