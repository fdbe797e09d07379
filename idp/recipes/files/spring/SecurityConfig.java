package com.example;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.jwk.source.RateLimitReachedException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import jakarta.servlet.DispatcherType;
import java.net.MalformedURLException;
import java.net.URI;
import java.time.Duration;
import java.util.Objects;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.NestedExceptionUtils;
import org.springframework.security.config.annotation.method.configuration.EnableMethodSecurity;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.BadJwtException;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtException;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.server.resource.authentication.DelegatingJwtGrantedAuthoritiesConverter;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationConverter;
import org.springframework.security.oauth2.server.resource.authentication.JwtGrantedAuthoritiesConverter;
import org.springframework.security.web.AuthenticationEntryPoint;
import org.springframework.security.web.SecurityFilterChain;

/** Who may call this API. Methods: {@code @PreAuthorize("hasAuthority('SCOPE_orders.read') and hasRole('Admin')")}. */
@Configuration
@EnableMethodSecurity
public class SecurityConfig {

    private static final Logger LOG = LoggerFactory.getLogger(SecurityConfig.class);

    @Bean
    SecurityFilterChain api(HttpSecurity http, JwtAuthenticationConverter people) throws Exception {
        return http
                .authorizeHttpRequests(requests -> requests
                        .dispatcherTypeMatchers(DispatcherType.ERROR).permitAll()
                        .requestMatchers("/health").permitAll()
                        .anyRequest().authenticated())
                .oauth2ResourceServer(server -> server
                        .jwt(jwt -> jwt.jwtAuthenticationConverter(people))
                        .authenticationEntryPoint(challenge()))
                .sessionManagement(session -> session.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
                .csrf(csrf -> csrf.disable()) // there is no cookie to forge a request with
                .build();
    }

    /**
     * RFC 9068 §4: signature, typ at+jwt, iss, aud, times. Unknown keys are looked up at most every 30 seconds, all are
     * fetched anew every 5 minutes, and while the server is down the last known ones do for a day.
     */
    @Bean
    JwtDecoder tokens(@Value("${idp.issuer}") String issuer, @Value("${idp.audience}") String audience)
            throws MalformedURLException {
        var keys = JWKSourceBuilder.create(URI.create(issuer + "/jwks").toURL())
                .outageTolerant(Duration.ofDays(1).toMillis())
                .build();
        var accessToken = new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt"));
        NimbusJwtDecoder decoder = NimbusJwtDecoder.withJwkSource(keys)
                .jwsAlgorithm(SignatureAlgorithm.RS256)
                .jwtProcessorCustomizer(processor -> processor.setJWSTypeVerifier(accessToken))
                .build();
        var anyClient = new JwtClaimValidator<String>("client_id", Objects::nonNull);
        decoder.setJwtValidator(JwtValidators.createAtJwtValidator().issuer(issuer).audience(audience)
                .validators(checks -> checks.put("client_id", anyClient)).build());
        return token -> {
            try {
                return decoder.decode(token);
            } catch (JwtException error) {
                var cause = NestedExceptionUtils.getMostSpecificCause(error);
                throw cause instanceof RateLimitReachedException ? new BadJwtException("its key is unknown") : error;
            }
        };
    }

    /** The scope orders.read becomes the authority SCOPE_orders.read, the role Admin becomes ROLE_Admin. */
    @Bean
    JwtAuthenticationConverter people() {
        var scopes = new JwtGrantedAuthoritiesConverter();
        var roles = new JwtGrantedAuthoritiesConverter();
        roles.setAuthoritiesClaimName("roles");
        roles.setAuthorityPrefix("ROLE_");
        var converter = new JwtAuthenticationConverter();
        converter.setJwtGrantedAuthoritiesConverter(new DelegatingJwtGrantedAuthoritiesConverter(scopes, roles));
        return converter;
    }

    /** RFC 6750 §3: no error when there was no token; the same for every bad one, and the reason in the log alone. */
    private static AuthenticationEntryPoint challenge() {
        return (request, response, reason) -> {
            var bad = reason instanceof OAuth2AuthenticationException;
            if (bad) LOG.warn("access token refused: {}", reason.getMessage());
            response.setHeader("WWW-Authenticate", "Bearer realm=\"api\"" + (bad
                    ? ", error=\"invalid_token\", error_description=\"The access token is not valid.\"" : ""));
            response.setStatus(401);
        };
    }
}
