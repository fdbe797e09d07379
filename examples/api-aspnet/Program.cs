// An API in ASP.NET Core whose callers bring access tokens: scopes and roles.
//
// dotnet run

using System.Security.Claims;

var builder = WebApplication.CreateBuilder(args);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
builder.Configuration.AddJsonFile("appsettings.Idp.json").AddEnvironmentVariables(); // variables win
builder.Services.AddAccessTokens(builder.Configuration);

var app = builder.Build();
app.UseAuthentication();
app.UseAuthorization();

// Open to everybody.
app.MapGet("/health", () => new { status = "ok" }).AllowAnonymous();

// Who is calling, and through which client.
app.MapGet("/me", (ClaimsPrincipal caller) => new
{
    subject = caller.FindFirst("sub")?.Value,
    client_id = caller.FindFirst("client_id")?.Value,
    roles = caller.FindAll("roles").Select(role => role.Value).Order(StringComparer.Ordinal),
});

// The caller's own: `sub` is the key to store things under.
app.MapGet("/orders", (ClaimsPrincipal caller) => new[] { new { id = "1", owner = caller.FindFirst("sub")?.Value } })
    .RequireScope("orders.read");

// For people with the role alone, and only through a client that was granted the scope.
app.MapGet("/admin/orders", (ClaimsPrincipal caller) => new { seen_by = caller.FindFirst("sub")?.Value })
    .RequireScope("orders.read")
    .RequireAuthorization(policy => policy.RequireRole("Admin"));

// Only within five minutes of a sign-in; otherwise the answer tells the client to ask for one (RFC 9470).
app.MapDelete("/me", (ClaimsPrincipal caller) => new { closed = caller.FindFirst("sub")?.Value })
    .RequireSignInWithin(300);

app.Run();
