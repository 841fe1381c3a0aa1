#ifndef GW_CONFIG_FLYTEADMIN_H
#define GW_CONFIG_FLYTEADMIN_H

#include "base/field.h"

#include <stddef.h>

/* FlyteAdmin's own sections, cloudEvents and externalEvents, as its configuration and Helm write
 * them: keys in any case, values as weak as FlyteAdmin reads them. `style` and `id_spacing` are
 * ours; FlyteAdmin passes over them. */
struct gw_flyteadmin_sasl {
    int enabled, handshake;
    const char *user, *password, *password_path, *mechanism;
};

struct gw_flyteadmin_tls {
    int enabled, skip_verify;
    const char *cert_path, *key_path;
};

struct gw_flyteadmin_conf {
    int enable;
    int documented; /* style */
    int64_t id_spacing;
    const char *type;
    const char *version; /* as it is written */
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

#endif
