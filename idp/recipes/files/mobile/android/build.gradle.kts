// These lines belong into app/build.gradle.kts.
android {
    defaultConfig {
        minSdk = 23
        manifestPlaceholders["appAuthRedirectScheme"] = "«scheme»"
    }
}

dependencies {
    implementation("net.openid:appauth:0.11.1")
}
