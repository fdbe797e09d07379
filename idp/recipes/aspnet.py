"""API in ASP.NET Core: a resource server, which checks access tokens and needs no client of its own."""

from idp.recipes.families import API, API_NAME, API_SCOPES
from idp.recipes.recipe import Recipe, RecipeFile

RECIPE = Recipe(
    kind="aspnet",
    title="API in ASP.NET Core",
    what="An API in .NET whose callers bring access tokens of this server.",
    questions=(API, API_NAME, API_SCOPES),
    files=(
        RecipeFile("appsettings.Idp.json", "The two values that the API needs; none of them is secret."),
        RecipeFile("AccessTokens.cs", "Who may call: what AddJwtBearer has to check, scopes, roles and refusals."),
    ),
    after=(
        "Install: dotnet add package Microsoft.AspNetCore.Authentication.JwtBearer",
        'In Program.cs: builder.Configuration.AddJsonFile("appsettings.Idp.json").AddEnvironmentVariables(); then '
        "builder.Services.AddAccessTokens(builder.Configuration), app.UseAuthentication() and app.UseAuthorization()",
        'Guard an endpoint: .RequireScope("…"), or .RequireAuthorization(policy => policy.RequireRole("…"))',
    ),
    page="aspnet.md",
)
