#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "ingest/upstream.h"
#include "net/address.h"
#include "net/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where FlyteAdmin is, as the configuration says it. */

/* ---- gRPC: host:port ---- */

static const char *without_scheme(const char *upstream)
{
    return strncmp(upstream, "dns:///", 7) ? upstream : upstream + 7;
}

/* host:port, [v6]:port, its port 1 to 65535; the port may be absent unless it is needed. */
static int is_address(struct gw_str at, int needs_port)
{
    const char *end = at.p + at.len, *colon = memrchr(at.p, ':', at.len);
    size_t host;

    if (colon && memchr(colon, ']', (size_t)(end - colon)))
        colon = NULL;
    host = colon ? (size_t)(colon - at.p) : at.len;
    if (host == 0 || host > 250 || (!colon && needs_port))
        return 0;
    if (colon && gw_port_read((struct gw_str){colon + 1, (size_t)(end - colon) - 1}) < 1)
        return 0;
    for (size_t i = 0; i < host; i++)
        if (strchr(" /?#@", at.p[i]) || (at.p[0] != '[' && at.p[i] == ':'))
            return 0;
    return at.p[0] != '[' || (host > 2 && at.p[host - 1] == ']');
}

/* ---- is it ourselves? ---- */

enum kind { ELSEWHERE, THIS_MACHINE, ANY_ADDRESS };

static const unsigned char any4[GW_ADDRESS] = {[10] = 0xff, 0xff}, any6[GW_ADDRESS],
                           local4[GW_ADDRESS] = {[10] = 0xff, 0xff, 127, 0, 0, 1},
                           local6[GW_ADDRESS] = {[15] = 1};

static int same(const unsigned char *a, const unsigned char *b)
{
    return !memcmp(a, b, GW_ADDRESS);
}

/* What a host says by itself: a name but localhost is ELSEWHERE. ::1 and localhost count as
 * 127.0.0.1. */
static enum kind read_host(struct gw_str host, unsigned char address[GW_ADDRESS])
{
    static const char localhost[] = "localhost";

    if (host.len > 2 && host.p[0] == '[')
        host = (struct gw_str){host.p + 1, host.len - 2};
    if (host.len == sizeof(localhost) - 1 && !strncasecmp(host.p, localhost, host.len))
        memcpy(address, local6, GW_ADDRESS);
    else if (gw_address_read(host, address))
        return ELSEWHERE;
    if (same(address, local6))
        memcpy(address, local4, GW_ADDRESS);
    if (same(address, any4) || same(address, any6))
        return ANY_ADDRESS;
    return memcmp(address, local4, 13) ? ELSEWHERE : THIS_MACHINE; /* 127.0.0.0/8 */
}

/* HOST:PORT; the port, 0: none. */
static int read_place(struct gw_str at, enum kind *kind, unsigned char address[GW_ADDRESS])
{
    const char *colon = at.len ? memrchr(at.p, ':', at.len) : NULL;
    const size_t host = colon ? (size_t)(colon - at.p) : at.len;
    const int port = colon ? gw_port_read((struct gw_str){colon + 1, at.len - host - 1}) : 0;

    *kind = read_host((struct gw_str){at.p, host}, address);
    return port > 0 ? port : 0;
}

/* As far as the two texts tell: a name that leads here does not. */
static int is_ourselves(struct gw_str upstream, const char *listen)
{
    unsigned char there[GW_ADDRESS], here[GW_ADDRESS];
    enum kind kind, own;
    const int port = read_place(upstream, &kind, there);

    if (gw_str_is(upstream, listen))
        return 1;
    if (port == 0 || port != read_place(gw_str_of(listen), &own, here) || kind == ELSEWHERE)
        return 0;
    return own == ANY_ADDRESS || (own == THIS_MACHINE && (kind == own ? same(there, here) : 1));
}

void gw_upstream_check(const struct gw_ingest_grpc_conf *conf, struct gw_problems *p,
                       const struct gw_yaml *grpc)
{
    const struct gw_yaml *at = gw_yaml_place(grpc, conf->upstream ? "upstream" : "upstream_tls");

    if (conf->upstream && !is_address(gw_str_of(without_scheme(conf->upstream)), 1))
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "ingest.grpc.upstream: expected HOST:PORT as flyteadmin:81, not \"%.80s\"",
                        conf->upstream);
    else if (conf->upstream &&
             is_ourselves(gw_str_of(without_scheme(conf->upstream)), conf->listener.listen))
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "ingest.grpc.upstream: it is what ingest.grpc listens on");
    else if (!conf->upstream && conf->upstream_tls)
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "ingest.grpc.upstream_tls: there is no upstream");
    gw_upstream_tls_check(conf->upstream_tls, p, grpc, "ingest.grpc");
}

void gw_upstream_url(const struct gw_ingest_grpc_conf *conf, char url[GW_UPSTREAM_URL])
{
    (void)snprintf(url, GW_UPSTREAM_URL, "%s://%s", conf->upstream_tls ? "https" : "http",
                   without_scheme(conf->upstream));
}

/* ---- HTTP: a URL ---- */

static int is_secure(const char *url)
{
    return !strncmp(url, "https:", strlen("https:"));
}

static const char *behind_scheme(const char *url)
{
    return url + strlen("http://") + (size_t)is_secure(url);
}

static int is_url(const char *url)
{
    const char *host;

    if (strncmp(url, "http://", strlen("http://")) != 0 &&
        strncmp(url, "https://", strlen("https://")) != 0)
        return 0;
    host = behind_scheme(url);
    return !gw_fetch_url_problem(url) && !host[strcspn(host, "?#@ ")] &&
           is_address((struct gw_str){host, strcspn(host, "/")}, 0);
}

/* Without a port it is 80 or 443, and nobody listens there in the clear. */
static struct gw_str place_of(const char *url)
{
    return (struct gw_str){behind_scheme(url), strcspn(behind_scheme(url), "/")};
}

void gw_http_upstream_check(const struct gw_ingest_http_conf *conf, struct gw_problems *p,
                            const struct gw_yaml *http)
{
    const struct gw_yaml *at = gw_yaml_place(http, "upstream");
    const char *url = conf->upstream;

    if (url && !is_url(url))
        gw_problems_add(
            p, 0, at->file, at->line, at->column,
            "ingest.http.upstream: expected a URL as http://flyteadmin:80, not \"%.80s\"", url);
    else if (url && is_ourselves(place_of(url), conf->listener.listen))
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "ingest.http.upstream: it is what ingest.http listens on");
    at = gw_yaml_place(http, "upstream_tls");
    if (conf->upstream_tls && !(url && is_secure(url)))
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "ingest.http.upstream_tls: upstream is not https://");
    gw_upstream_tls_check(conf->upstream_tls, p, http, "ingest.http");
}

static char *join(const char *a, size_t len, const char *b)
{
    char *p = malloc(len + strlen(b) + 1);

    if (!p)
        abort();
    memcpy(p, a, len);
    memcpy(p + len, b, strlen(b) + 1);
    return p;
}

void gw_upstream_place(struct gw_upstream_place *p, const char *url)
{
    const char *host = behind_scheme(url);
    size_t len = strcspn(host, "/"), path = strlen(host + len);
    const char *colon = memrchr(host, ':', len);

    if (colon && memchr(colon, ']', len - (size_t)(colon - host)))
        colon = NULL;
    while (path > 0 && host[len + path - 1] == '/')
        path--;
    p->secure = is_secure(url);
    p->address = join(host, len, colon ? "" : p->secure ? ":443" : ":80");
    p->prefix = join(host + len, path, "");
}

/* Behind a prefix there are no steps upward, in whatever way a server may read them: it would not
 * be said which ones stay below. */
int gw_upstream_leaves(const struct gw_upstream_place *p, struct gw_str path)
{
    size_t dots = 0; /* of a segment of nothing else */
    int plain = 1;

    for (size_t i = 0; *p->prefix && i < path.len && path.p[i] != '?'; i++) {
        const int byte = gw_percent_byte(path, i), c = byte < 0 ? path.p[i] : byte;

        i += byte < 0 ? 0 : 2;
        if (c == '.') {
            dots++;
        } else if (c == '/' || c == '\\' || c == ';') { /* some have parameters in segments */
            if (plain && dots == 2)
                return 1;
            plain = c != ';';
            dots = 0;
        } else {
            plain = 0;
        }
    }
    return plain && dots == 2;
}

void gw_upstream_place_fini(struct gw_upstream_place *p)
{
    free(p->address);
    free(p->prefix);
}
