"""API in Spring Boot: a resource server, which checks access tokens and needs no client of its own."""

from idp.recipes.families import API, API_NAME, API_SCOPES
from idp.recipes.recipe import Recipe, RecipeFile

RECIPE = Recipe(
    kind="spring",
    title="API in Spring Boot",
    what="An API in Java whose callers bring access tokens of this server.",
    questions=(API, API_NAME, API_SCOPES),
    files=(
        RecipeFile(
            "src/main/resources/application.yml",
            "The two values that the API needs; none of them is secret.",
            template="application.yml",
        ),
        RecipeFile(
            "src/main/java/com/example/SecurityConfig.java",
            "Who may call: the checks of a token, and its scopes and roles as authorities.",
            template="SecurityConfig.java",
        ),
    ),
    after=(
        "Add the dependency org.springframework.boot:spring-boot-starter-security-oauth2-resource-server (Spring Boot "
        "4 or newer)",
        "Guard a method: @PreAuthorize(\"hasAuthority('SCOPE_…')\"), or hasRole('…')",
    ),
    page="spring.md",
)
