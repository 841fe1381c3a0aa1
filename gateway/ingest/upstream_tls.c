#include "base/diag.h"
#include "base/problems.h"
#include "base/stat.h"
#include "base/yaml.h"
#include "ingest/upstream.h"
#include "net/tls.h"
#include "net/tls_conf.h"

#include <stdio.h>

/* TLS towards FlyteAdmin. Over gRPC each connection reads its files (http2_channel.c); over
 * HTTP/1.1 there are many of them, and they share what was read. */

enum { LOOK_MS = 1000 };

void gw_upstream_tls_check(const struct gw_upstream_tls *t, struct gw_problems *p,
                           const struct gw_yaml *section, const char *key)
{
    const struct gw_yaml *at = gw_yaml_place(gw_yaml_place(section, "upstream_tls"), "ca");
    char name[60];

    (void)snprintf(name, sizeof(name), "%s.upstream_tls.ca", key);
    gw_tls_ca_check(t ? t->ca : NULL, name, p, at);
}

/* Whether the authorities have changed; looked at now and then. */
static int is_stale(struct gw_upstream_trust *t, int64_t now_ms)
{
    const struct stat was = t->seen;

    if (t->context && (!t->ca || now_ms - t->looked_ms < LOOK_MS))
        return 0;
    t->looked_ms = now_ms;
    if (t->ca && stat(t->ca, &t->seen))
        return !t->context;
    return !t->context || !gw_stat_same(&was, &t->seen);
}

int gw_upstream_tls_ready(struct gw_upstream_trust *t, int64_t now_ms, struct gw_err *err)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    const struct gw_tls_files files = {.ca = t->ca};
    struct gw_tls_context *fresh;

    if (!is_stale(t, now_ms))
        return 0;
    fresh = gw_tls_client_context(&files, alpn, err);
    if (!fresh && !t->context)
        return -1;
    if (!fresh) {
        GW_DIAG(GW_WARN, "ingest.http", gw_msg("upstream_tls.ca has changed and is not taken"),
                gw_kv_cstr("error", err->msg));
        return 0;
    }
    gw_tls_context_drop(t->context); /* connections keep theirs */
    t->context = fresh;
    return 1;
}
