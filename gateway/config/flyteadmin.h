#ifndef GW_CONFIG_FLYTEADMIN_H
#define GW_CONFIG_FLYTEADMIN_H

#include "base/field.h"

#include <stddef.h>

struct gw_problems;
struct gw_yaml;

/* FlyteAdmin's own sections, cloudEvents and externalEvents, as its configuration and Helm write
 * them: keys in any case, loose types, lists also as "a,b". */
struct gw_flyteadmin_sasl {
    int enabled, handshake;
    const char *user, *password, *password_path, *mechanism;
};

struct gw_flyteadmin_tls {
    int enabled, skip_verify;
    const char *cert_path, *key_path;
};

struct gw_flyteadmin_conf {
    int enable, style;
    const char *type;
    const char *version; /* v1 or v2 */
    int64_t reconnect_attempts, reconnect_delay;
    struct {
        const char *region;
    } aws;
    struct {
        const char *project, *region;
    } gcp;
    struct {
        const char *version;
        struct gw_strs brokers;
        struct gw_flyteadmin_sasl sasl;
        struct gw_flyteadmin_tls tls;
    } kafka;
    struct {
        struct gw_strs servers;
        int user_enabled, token_enabled;
        const char *user, *password, *token;
    } nats;
    struct {
        const char *topic;
        struct gw_strs event_types;
        int enrich;
    } publisher;
};

extern const struct gw_field gw_cloud_events_fields[];
extern const struct gw_field gw_external_events_fields[];

/* What the tables cannot say: what a type needs, values that FlyteAdmin refuses or passes over. at:
 * the section. Returns 1 when the section is enabled. */
int gw_flyteadmin_check(const struct gw_flyteadmin_conf *conf, const struct gw_yaml *at,
                        struct gw_problems *p, const char *name);

#endif
