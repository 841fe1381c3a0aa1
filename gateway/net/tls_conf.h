#ifndef GW_NET_TLS_CONF_H
#define GW_NET_TLS_CONF_H

#include "base/field.h"

struct gw_problems;
struct gw_yaml;

/* TLS to somebody else's server: the key `tls` of publishers and sources. */
struct gw_tls_conf {
    const char *ca, *cert, *key; /* PEM files; NULL: the system's authorities, no certificate */
    int verify;
};
extern const struct gw_field gw_tls_conf_fields[];
/* t NULL: fine. at: the mapping that holds `tls`. */
void gw_tls_conf_check(const struct gw_tls_conf *t, struct gw_problems *p,
                       const struct gw_yaml *at);
/* Warns of certificates in a PEM file that have ended, end within 14 days, or are not valid yet:
 * of a chain each counts, of authorities the one that lasts longest. What is wrong with the file
 * otherwise is not told here. key: what messages call it; path NULL: fine. */
void gw_tls_dates_check(const char *path, int chain, const char *key, struct gw_problems *p,
                        const struct gw_yaml *at);
/* A file of authorities that OpenSSL alone reads: no directory, and certificates in it. ca NULL:
 * fine. */
void gw_tls_ca_check(const char *ca, const char *key, struct gw_problems *p,
                     const struct gw_yaml *at);

/* TLS of a listener: the key `tls` of ingest.grpc and ingest.http. */
struct gw_tls_server_conf {
    const char *cert, *key; /* PEM files */
    const char *client_ca;  /* NULL: clients show no certificate */
};
extern const struct gw_field gw_tls_server_fields[];

#endif
