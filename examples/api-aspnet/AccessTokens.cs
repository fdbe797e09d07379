// Who may call this API: builder.Services.AddAccessTokens(builder.Configuration), then .RequireScope("orders.read") or
// .RequireAuthorization(policy => policy.RequireRole("Admin")) on endpoints; controllers: [Authorize(Roles = "Admin")].

using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.IdentityModel.Tokens;

public static class AccessTokens
{
    private const string Challenge = "Bearer realm=\"api\"";
    private static readonly string[] Required = ["sub", "client_id", "jti", "iat"];

    private sealed record NeededScope(string Name);

    public static IServiceCollection AddAccessTokens(this IServiceCollection services, IConfiguration configuration)
    {
        var authority = configuration["Idp:Authority"] ?? throw new ArgumentException("Idp:Authority is not set.");
        var audience = configuration["Idp:Audience"] ?? throw new ArgumentException("Idp:Audience is not set.");
        services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(options =>
        {
            options.Authority = authority; // discovery and keys are found there, and fetched anew by themselves
            options.Audience = audience;
            options.Events = new JwtBearerEvents();
            options.RequireHttpsMetadata = !new Uri(authority).IsLoopback;
            options.RefreshInterval = TimeSpan.FromSeconds(30); // an unknown key is looked up, at most so often
            options.AutomaticRefreshInterval = TimeSpan.FromMinutes(5);
            options.MapInboundClaims = false; // sub stays sub, and roles stay roles
            options.TokenValidationParameters.NameClaimType = "sub";
            options.TokenValidationParameters.RoleClaimType = "roles";
            options.TokenValidationParameters.ValidTypes = ["at+jwt"]; // RFC 9068: an ID token is no access token
            options.TokenValidationParameters.ValidAlgorithms = [SecurityAlgorithms.RsaSha256];
            options.TokenValidationParameters.ClockSkew = TimeSpan.FromSeconds(10);
            options.Challenge = Challenge;
            options.IncludeErrorDetails = false; // the caller hears the same for every bad token; the log knows why
            options.Events.OnTokenValidated = CheckClaims;
            options.Events.OnChallenge = Refuse;
            options.Events.OnForbidden = Forbid;
        });
        var signedIn = new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build();
        services.AddAuthorizationBuilder().SetDefaultPolicy(signedIn).SetFallbackPolicy(signedIn);
        return services;
    }

    public static TBuilder RequireScope<TBuilder>(this TBuilder endpoint, string scope)
        where TBuilder : IEndpointConventionBuilder =>
        endpoint.RequireAuthorization(policy => policy.RequireAuthenticatedUser().RequireAssertion(
            call => (call.User.FindFirst("scope")?.Value ?? "").Split(' ').Contains(scope)))
            .WithMetadata(new NeededScope(scope));

    /// <summary>RFC 9470: the client is told to have the person sign in again.</summary>
    public static RouteHandlerBuilder RequireSignInWithin(this RouteHandlerBuilder endpoint, int seconds) =>
        endpoint.RequireAuthorization().AddEndpointFilter(async (call, next) =>
        {
            var earliest = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - seconds;
            if (long.TryParse(call.HttpContext.User.FindFirst("auth_time")?.Value, out var at) && at >= earliest)
                return await next(call);
            call.HttpContext.Response.Headers.WWWAuthenticate =
                $"{Challenge}, error=\"insufficient_user_authentication\", "
                + $"error_description=\"This needs a more recent sign-in.\", max_age=\"{seconds}\"";
            return Results.StatusCode(StatusCodes.Status401Unauthorized);
        });

    private static Task CheckClaims(TokenValidatedContext context)
    {
        foreach (var name in Required)
            if (string.IsNullOrEmpty(context.Principal?.FindFirst(name)?.Value))
                context.Fail($"its {name} is missing");
        return Task.CompletedTask;
    }

    /// <summary>RFC 6750 §3: no error when there was no token.</summary>
    private static Task Refuse(JwtBearerChallengeContext context)
    {
        if (context.AuthenticateFailure is { } failure)
        {
            var reason = failure.Message.ReplaceLineEndings(" ");
            Log(context.HttpContext).LogWarning("access token refused: {Reason}", reason);
            context.Error = "invalid_token";
            context.ErrorDescription = "The access token is not valid.";
        }
        return Task.CompletedTask;
    }

    private static Task Forbid(ForbiddenContext context)
    {
        var needed = context.HttpContext.GetEndpoint()?.Metadata.GetOrderedMetadata<NeededScope>() ?? [];
        var scope = needed.Count == 0 ? "" : $", scope=\"{string.Join(' ', needed.Select(each => each.Name))}\"";
        context.Response.Headers.WWWAuthenticate =
            $"{Challenge}, error=\"insufficient_scope\", error_description=\"A scope or a role is missing.\"{scope}";
        return Task.CompletedTask;
    }

    private static ILogger Log(HttpContext context) =>
        context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger(nameof(AccessTokens));
}
