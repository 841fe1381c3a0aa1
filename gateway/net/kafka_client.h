#ifndef GW_NET_KAFKA_CLIENT_H
#define GW_NET_KAFKA_CLIENT_H

#include "base/field.h"
#include "net/tls_conf.h"

#include <librdkafka/rdkafka.h>

struct gw_err;
struct gw_problems;
struct gw_yaml;

/* How to talk to brokers: what a publisher and an ingest have in common. */
struct gw_kafka_sasl {
    const char *mechanism, *username, *password;
};
extern const struct gw_field gw_kafka_sasl_fields[];

/* A setting that properties may not name, and why. A table ends with a zeroed one. */
struct gw_kafka_forbidden {
    const char *name, *why;
};

/* The values of a configuration. */
struct gw_kafka_client {
    const struct gw_strs *brokers;
    const struct gw_kafka_sasl *sasl; /* NULL: none */
    const struct gw_tls_conf *tls;    /* NULL: none */
    const struct gw_pairs *properties;
    const struct gw_kafka_forbidden *forbidden;
};

/* A setting whose value is the path of a file that librdkafka reads when a client begins: what
 * properties can name, for the tables. */
int gw_kafka_names_file(struct gw_str setting, struct gw_str value);

/* What the tables cannot say of sasl, tls and properties. at: the mapping that they stand in. */
void gw_kafka_client_check(const struct gw_kafka_client *c, struct gw_problems *p,
                           const struct gw_yaml *at);

struct gw_kafka_setting {
    const char *name, *value; /* value NULL: as it is */
};
/* A table that ends with a zeroed one. */
int gw_kafka_set(rd_kafka_conf_t *rk, const struct gw_kafka_setting *s, struct gw_err *err);
/* Security, then properties, then fixed, which wins, then the brokers. */
int gw_kafka_client_set(rd_kafka_conf_t *rk, const struct gw_kafka_client *c,
                        const struct gw_kafka_setting *fixed, struct gw_err *err);

#endif
