"""Apps for iOS, Android and Flutter, with AppAuth (RFC 8252)."""

from typing import Any

from idp.recipes.families import API_OF_CLIENT, LINKS, NAME, SCHEME, native_application
from idp.recipes.recipe import Answers, Recipe, RecipeFile


def settings(answers: Answers) -> dict[str, Any]:
    """Not first-party: RFC 8252 §8.6, another app may pose as this one, so the person is asked each time."""
    return native_application(answers)


RECIPE = Recipe(
    kind="mobile",
    title="Mobile app",
    what="An app for iOS, Android or Flutter that signs people in with the browser of the phone (RFC 8252).",
    questions=(NAME, SCHEME, LINKS, API_OF_CLIENT),
    files=(
        RecipeFile("flutter/lib/sign_in_config.dart", "Flutter: the values of this client; none of them is secret."),
        RecipeFile("flutter/lib/sign_in.dart", "Flutter: signing in, fresh access tokens, signing out."),
        RecipeFile("android/build.gradle.kts", "Android and Flutter: AppAuth, and the scheme that opens the app."),
        RecipeFile("android/SignInConfig.kt", "Android: the values of this client."),
        RecipeFile("android/SignIn.kt", "Android: signing in, fresh access tokens, signing out."),
        RecipeFile("android/TokenStore.kt", "Android: the tokens, encrypted with a key of the Keystore."),
        RecipeFile("ios/Info.plist", "iOS and Flutter: the scheme that opens the app."),
        RecipeFile("ios/SignInConfig.swift", "iOS: the values of this client."),
        RecipeFile("ios/SignIn.swift", "iOS: signing in, fresh access tokens, signing out."),
        RecipeFile("ios/TokenStore.swift", "iOS: the tokens, in the Keychain."),
    ),
    after=(
        "Take the files of your platform: flutter/ with the two of the scheme, or android/, or ios/.",
        "withAccessToken() (Flutter: accessToken()) refreshes by rotation when it is needed.",
        "signOut() revokes the tokens and ends the session of the browser here as well.",
        "The other platforms: docs/integrate/ios.md, docs/integrate/android.md.",
    ),
    page="flutter.md",
    settings=settings,
    is_public=True,
)
