/* The keys `tls`: of whoever is a client, and of listeners. */
#include "net/tls_conf.h"

#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "net/tls.h"

#include <sys/stat.h>

const struct gw_field gw_tls_conf_fields[] = {
    {"ca", GW_F_STR, offsetof(struct gw_tls_conf, ca), .path = 1, .input = 1,
     .help = "Certificates to trust, PEM; absent: the system's."},
    {"cert", GW_F_STR, offsetof(struct gw_tls_conf, cert), .path = 1, .input = 1,
     .help = "Certificate to show, PEM."},
    {"key", GW_F_STR, offsetof(struct gw_tls_conf, key), .path = 1, .input = 1,
     .help = "Its key, PEM."},
    {"verify", GW_F_BOOL, offsetof(struct gw_tls_conf, verify), .def = "true",
     .help = "Check the server's certificate and name."},
    {0}};

const struct gw_field gw_tls_server_fields[] = {
    {"cert", GW_F_STR, offsetof(struct gw_tls_server_conf, cert), .required = 1, .path = 1,
     .input = 1,
     .help = "The certificate and those between it and its authority, PEM. Taken anew when one of "
             "these files changes; connections stay."},
    {"key", GW_F_STR, offsetof(struct gw_tls_server_conf, key), .required = 1, .path = 1,
     .input = 1, .help = "Its key, PEM, without passphrase."},
    {"client_ca", GW_F_STR, offsetof(struct gw_tls_server_conf, client_ca), .path = 1, .input = 1,
     .help = "Mutual TLS: clients show a certificate of one of these authorities, PEM."},
    {0}};

void gw_tls_conf_check(const struct gw_tls_conf *t, struct gw_problems *p, const struct gw_yaml *at)
{
    const struct gw_yaml *y, *tls = gw_yaml_place(at, "tls");
    struct gw_tls_files files;
    const char *key;
    struct gw_err err;

    if (!t)
        return;
    if (!t->cert != !t->key) {
        gw_problems_add(p, 0, tls->file, tls->line, tls->column, "tls: cert and key go together");
        return;
    }
    files = (struct gw_tls_files){.ca = t->ca, .cert = t->cert, .key = t->key};
    key = gw_tls_client_problem(&files, &err);
    if (!key) {
        gw_tls_dates_check(t->ca, 0, "tls.ca", p, gw_yaml_place(tls, "ca"));
        gw_tls_dates_check(t->cert, 1, "tls.cert", p, gw_yaml_place(tls, "cert"));
        return;
    }
    y = gw_yaml_place(tls, key);
    /* What is there and will not do may be half of a save: whoever connects looks again. */
    gw_problems_add(p, err.kind == GW_ERR_RETRY, y->file, y->line, y->column, "tls.%s: %s", key,
                    err.msg);
}

void gw_tls_ca_check(const char *ca, const char *key, struct gw_problems *p,
                     const struct gw_yaml *at)
{
    const struct gw_tls_files files = {.ca = ca};
    struct gw_err err;
    struct stat st;

    if (!ca)
        return;
    if (!stat(ca, &st) && !S_ISREG(st.st_mode))
        gw_problems_add(p, 0, at->file, at->line, at->column, "%s: %s: not a regular file", key,
                        ca);
    else if (gw_tls_client_problem(&files, &err))
        gw_problems_add(p, 0, at->file, at->line, at->column, "%s: %s", key, err.msg);
    else
        gw_tls_dates_check(ca, 0, key, p, at);
}
