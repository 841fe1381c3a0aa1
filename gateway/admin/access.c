#include "admin/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- hosts ---- */

static int is_port(struct gw_str s)
{
    if (s.len == 0 || s.len > 5)
        return 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
    return 1;
}

/* The name or address alone, without brackets; absent: not HOST or HOST:PORT. */
static struct gw_str bare_host(struct gw_str s, int *bracketed)
{
    const char *end;
    struct gw_str rest;

    *bracketed = s.len > 0 && s.p[0] == '[';
    if (*bracketed) {
        s.p++;
        s.len--;
    }
    end = s.len ? memchr(s.p, *bracketed ? ']' : ':', s.len) : NULL;
    if (!end)
        return *bracketed ? (struct gw_str){0} : s;
    rest = (struct gw_str){end, s.len - (size_t)(end - s.p)};
    s.len = (size_t)(end - s.p);
    if (*bracketed) {
        rest.p++;
        rest.len--;
    }
    if (rest.len > 0 && (rest.p[0] != ':' || !is_port((struct gw_str){rest.p + 1, rest.len - 1})))
        return (struct gw_str){0};
    return s;
}

static int same_name(struct gw_str a, struct gw_str b)
{
    return a.len == b.len && a.len > 0 && !strncasecmp(a.p, b.p, a.len);
}

/* 4, 6 or 0: the address in out. */
static int parse_address(struct gw_str host, int bracketed, struct in6_addr *out)
{
    char text[INET6_ADDRSTRLEN + 1];

    if (host.len == 0 || host.len >= sizeof(text) || memchr(host.p, '\0', host.len))
        return 0;
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    if (bracketed)
        return inet_pton(AF_INET6, text, out) == 1 ? 6 : 0;
    return inet_pton(AF_INET, text, out) == 1 ? 4 : 0;
}

int gw_access_host_ok(struct gw_str host)
{
    int bracketed;
    struct gw_str bare = bare_host(host, &bracketed);
    struct in6_addr unused;

    return (!bracketed && same_name(bare, GW_STR("localhost"))) ||
           parse_address(bare, bracketed, &unused);
}

int gw_access_is_loopback(const char *address)
{
    int bracketed;
    struct gw_str bare = bare_host(gw_str_of(address), &bracketed);
    struct in6_addr a;

    switch (parse_address(bare, bracketed, &a)) {
    case 4:
        return a.s6_addr[0] == 127;
    case 6:
        return IN6_IS_ADDR_LOOPBACK(&a) || (IN6_IS_ADDR_V4MAPPED(&a) && a.s6_addr[12] == 127);
    default:
        return !bracketed && same_name(bare, GW_STR("localhost"));
    }
}

/* ---- the token ---- */

size_t gw_token_read(const char *path, char out[GW_TOKEN_MAX], char *why, size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, out, GW_TOKEN_MAX);
    char text[100];
    size_t from = 0, len;

    if (n < 0)
        snprintf(why, why_size, "%s: %s", path, strerror_r(errno, text, sizeof(text)));
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return 0;
    if (n == GW_TOKEN_MAX) {
        snprintf(why, why_size, "%s: longer than a token of %d bytes", path, GW_TOKEN_MAX - 1);
        return 0;
    }
    len = (size_t)n;
    while (len > 0 && strchr(" \t\r\n", out[len - 1]))
        len--;
    while (from < len && strchr(" \t\r\n", out[from]))
        from++;
    memmove(out, out + from, len - from);
    if (len == from)
        snprintf(why, why_size, "%s: there is no token in it", path);
    return len - from;
}

static int shows(struct gw_str authorization, const char *token, size_t len)
{
    static const char scheme[] = "Bearer ";
    enum { SCHEME = sizeof(scheme) - 1 };

    return authorization.len == SCHEME + len && !strncasecmp(authorization.p, scheme, SCHEME) &&
           !CRYPTO_memcmp(authorization.p + SCHEME, token, len);
}

/* ---- the rules ---- */

static void refuse(struct gw_access_answer *out, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct gw_access_answer *out, int status, const char *fmt, ...)
{
    va_list ap;

    out->status = status;
    va_start(ap, fmt);
    (void)vsnprintf(out->message, sizeof(out->message), fmt, ap);
    va_end(ap);
}

static void check_token(const struct gw_access *g, const struct gw_access_request *r,
                        struct gw_access_answer *out)
{
    char token[GW_TOKEN_MAX], why[160];
    size_t len = gw_token_read(g->token_file, token, why, sizeof(why));

    if (!len)
        refuse(out, 403, "admin.token_file: %s", why);
    else if (!r->authorization.p)
        refuse(out, 401, "this needs the token of admin.token_file: Authorization: Bearer TOKEN");
    else if (!shows(r->authorization, token, len))
        refuse(out, 401, "not the token of admin.token_file");
    OPENSSL_cleanse(token, sizeof(token));
}

static int own_origin(struct gw_str origin, struct gw_str host, struct gw_str address)
{
    static const char scheme[] = "http://";
    enum { SCHEME = sizeof(scheme) - 1 };

    if (origin.len <= SCHEME || strncasecmp(origin.p, scheme, SCHEME) != 0)
        return 0;
    origin.p += SCHEME;
    origin.len -= SCHEME;
    return same_name(origin, host) || same_name(origin, address);
}

static void check_loopback(const struct gw_access *g, const struct gw_access_request *r,
                           struct gw_access_answer *out)
{
    const struct gw_str address = gw_str_of(g->address);

    if (!gw_access_host_ok(r->host)) {
        refuse(out, 403, "Host: an address or localhost may change something, not \"%.*s\"",
               (int)(r->host.len < 80 ? r->host.len : 80), r->host.p ? r->host.p : "");
        return;
    }
    for (size_t i = 0; i < r->n_origins; i++)
        if (!own_origin(r->origins[i], r->host, address)) {
            refuse(out, 403, "Origin: a page of \"%.*s\" may change nothing here",
                   (int)(r->origins[i].len < 80 ? r->origins[i].len : 80), r->origins[i].p);
            return;
        }
}

void gw_access_check(const struct gw_access *g, const struct gw_access_request *r,
                     struct gw_access_answer *out)
{
    out->status = 200;
    if (g->token_file)
        check_token(g, r, out);
    else if (!gw_access_is_loopback(g->address))
        refuse(out, 403,
               "nothing can be changed through %s, which is not loopback: set admin.token_file "
               "and send its token",
               g->address);
    else
        check_loopback(g, r, out);
}
