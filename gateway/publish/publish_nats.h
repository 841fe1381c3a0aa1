#ifndef GW_PUBLISH_PUBLISH_NATS_H
#define GW_PUBLISH_PUBLISH_NATS_H

#include "net/loop.h"
#include "publish/common.h"
#include "publish/flyteadmin.h"
#include "publish/template.h"

struct gw_arena;
struct gw_nats_client;

/* Inside the room: the configuration of a NATS publisher (nats_conf.c), its subjects
 * (nats_subject.c), its keys (nats_key.c), what JetStream answers (nats_ack.c). */
struct gw_publish_nats_conf {
    struct gw_publish_common common;
    struct gw_strs servers;
    const char *subject;
    int jetstream;
    const char *username, *password, *token; /* NULL: none */
    const char *nkey_file, *creds_file;
    struct gw_tls_conf *tls; /* NULL: none */
};

extern const struct gw_field gw_nats_fields[];
void gw_nats_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                   const struct gw_yaml *at);
int gw_nats_same(const void *a, const void *b);
/* A server as nats.c wants it, with a scheme; tells what is wrong with it in err. */
int gw_nats_server(const char *text, char *url, size_t size, struct gw_err *err);
/* Its host and port alone: what may be shown. */
struct gw_str gw_nats_server_shown(const char *text);

/* Words with points between them, none of them empty, no wildcards. */
extern const struct gw_template_form gw_nats_subject;
int gw_nats_subject_check(struct gw_str subject, struct gw_err *err);
extern const struct gw_routing gw_nats_routing;

enum { GW_NATS_PUBLIC_KEY = 57 };
/* The public key of a user whose seed a file holds. */
int gw_nats_public_key(const char *file, char out[GW_NATS_PUBLIC_KEY], struct gw_err *err);

/* Where a stream has the message whose id this one has, too; stream.p NULL: it has none. */
struct gw_nats_kept {
    struct gw_str stream, seq;
};
/* What JetStream said of a message. GW_DELIVERED, or why gets a text, on mem. */
enum gw_outcome gw_nats_ack(struct gw_str answer, struct gw_arena *mem, struct gw_nats_kept *kept,
                            const char **why);
/* What it said of that message: its subject, p NULL when it is gone; -1: it does not say, why. */
int gw_nats_found(struct gw_str answer, struct gw_arena *mem, struct gw_str *subject,
                  const char **why);
/* A server's words as one line of UTF-8, in place; returns text. */
char *gw_nats_clean(char *text);

#endif
