/* How to get a token for FlyteAdmin, as flyteidl's own client does: AuthMetadataService says where
 * and for which scopes, then client credentials (wire.md, "Auth flow"). */
#include "hook/flyte_ask.h"

#include "base/arena.h"
#include "base/err.h"
#include "flyte/reflect.h"
#include "flyteidl/service/auth.pb-c.h"
#include "net/oauth.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 8192 };

static void end(struct gw_flyte_login *l, const char *why)
{
    l->running = 0;
    if (why)
        gw_flyte_client_logged_in(l->client, (struct gw_str){0}, (struct gw_str){0}, 0);
    l->ended(l, why);
}

static void fail(struct gw_flyte_login *l, const char *what, const char *why)
{
    (void)snprintf(l->why, sizeof(l->why), "FlyteAdmin: login: %s%s", what, why);
    end(l, l->why);
}

static void put(struct gw_buf *b, struct gw_str s)
{
    gw_buf_clear(b);
    gw_buf_put_str(b, s);
    gw_buf_putc(b, '\0');
}

static struct gw_str text_of(ProtobufCBinaryData b)
{
    return (struct gw_str){(const char *)b.data, b.len};
}

/* What the server calls its header goes into every request. */
static int is_header(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", s.p[i]) ||
            !s.p[i])
            return 0;
    return s.len > 0 && s.len < 100;
}

/* ---- the token ---- */

static void ask_token(struct gw_flyte_login *l)
{
    const struct gw_flyte_client_conf *conf = gw_flyte_client_conf(l->client);
    const struct gw_oauth_client client = {.client_id = conf->client_id,
                                           .client_secret = conf->client_secret,
                                           .scope = l->scope.p,
                                           .audience = l->audience.p};

    gw_arena_reset(l->mem);
    l->fetch.url = l->endpoint.p;
    gw_oauth_ask(&l->fetch, &client, l->in_body, &l->form, l->mem);
}

static void on_token(struct gw_fetch *f)
{
    struct gw_flyte_login *l = GW_CONTAINER(f, struct gw_flyte_login, fetch);
    struct gw_oauth_token t;
    char http[40];
    struct gw_err err;

    gw_arena_reset(l->mem);
    if (f->status == 200 && !gw_oauth_token_read(gw_buf_str(&f->answer), l->mem, &t, &err)) {
        gw_flyte_client_logged_in(l->client, gw_str_of(l->header.p), t.access_token, t.lives_s);
        end(l, NULL);
        return;
    }
    if ((f->status == 400 || f->status == 401) && !l->tried_both) {
        l->tried_both = 1;
        l->in_body = !l->in_body;
        ask_token(l);
        return;
    }
    (void)snprintf(http, sizeof(http), "HTTP %d", f->status);
    fail(l, "the token endpoint answers ", f->status == 200 ? err.msg : f->status ? http : f->why);
}

/* ---- where it is ---- */

/* What the call gave, or NULL and the login has failed. */
static const ProtobufCMessage *answer(struct gw_flyte_login *l, const char *method,
                                      const ProtobufCMessageDescriptor *d)
{
    const ProtobufCMessage *m;
    struct gw_err err;

    gw_flyte_call_read(&l->call);
    if (l->call.status != GW_RPC_OK) {
        fail(l, method, l->call.why);
        return NULL;
    }
    gw_arena_reset(l->mem);
    m = gw_pb_decode(l->mem, d, l->call.body, &err);
    if (!m)
        fail(l, method, err.msg);
    return m;
}

static void on_config(struct gw_fetch *f)
{
    struct gw_flyte_login *l =
        GW_CONTAINER(GW_CONTAINER(f, struct gw_flyte_call, fetch), struct gw_flyte_login, call);
    const Flyteidl__Service__PublicClientAuthConfigResponse *m =
        (const void *)answer(l, "GetPublicClientConfig: ",
                             &flyteidl__service__public_client_auth_config_response__descriptor);

    if (!m)
        return;
    gw_buf_clear(&l->scope);
    for (size_t i = 0; i < m->n_scopes; i++) {
        if (i)
            gw_buf_putc(&l->scope, ' ');
        gw_buf_put_str(&l->scope, text_of(m->scopes[i]));
    }
    gw_buf_putc(&l->scope, '\0');
    put(&l->audience, text_of(m->audience));
    put(&l->header, is_header(text_of(m->authorization_metadata_key))
                        ? text_of(m->authorization_metadata_key)
                        : GW_STR("authorization"));
    if (l->scope.failed || l->audience.failed) {
        fail(l, "GetPublicClientConfig: ", "its texts are too long");
        return;
    }
    l->tried_both = 0;
    ask_token(l);
}

static void on_metadata(struct gw_fetch *f)
{
    struct gw_flyte_login *l =
        GW_CONTAINER(GW_CONTAINER(f, struct gw_flyte_call, fetch), struct gw_flyte_login, call);
    const Flyteidl__Service__OAuth2MetadataResponse *m = (const void *)answer(
        l, "GetOAuth2Metadata: ", &flyteidl__service__oauth2_metadata_response__descriptor);

    if (!m)
        return;
    put(&l->endpoint, text_of(m->token_endpoint));
    if (l->endpoint.failed || gw_fetch_url_problem(l->endpoint.p)) {
        fail(l, "GetOAuth2Metadata: ", "its token_endpoint is no URL");
        return;
    }
    l->call.fetch.done = on_config;
    gw_flyte_call_start(&l->call, gw_flyte_client_url(l->client),
                        "AuthMetadataService/GetPublicClientConfig", GW_STR(""), (struct gw_str){0},
                        (struct gw_str){0});
}

void gw_flyte_login_start(struct gw_flyte_login *l)
{
    l->running = 1;
    l->call.fetch.done = on_metadata;
    gw_flyte_call_start(&l->call, gw_flyte_client_url(l->client),
                        "AuthMetadataService/GetOAuth2Metadata", GW_STR(""), (struct gw_str){0},
                        (struct gw_str){0});
}

void gw_flyte_login_init(struct gw_flyte_login *l, struct gw_flyte_client *client,
                         struct gw_fetcher *fetcher, struct gw_fetcher *plain)
{
    *l = (struct gw_flyte_login){.client = client, .fetcher = fetcher, .mem = gw_arena_new()};
    gw_flyte_call_init(&l->call, fetcher, on_metadata);
    gw_fetch_init(&l->fetch, plain, GW_OAUTH_ANSWER);
    l->fetch.method = "POST";
    l->fetch.system_ca = 1;
    l->fetch.done = on_token;
    gw_buf_init(&l->endpoint, TEXT_MAX, NULL);
    gw_buf_init(&l->scope, TEXT_MAX, NULL);
    gw_buf_init(&l->audience, TEXT_MAX, NULL);
    gw_buf_init(&l->header, TEXT_MAX, NULL);
    gw_buf_init(&l->form, GW_OAUTH_FORM, NULL);
}

void gw_flyte_login_fini(struct gw_flyte_login *l)
{
    if (l->running) /* another worker may try at once */
        gw_flyte_client_logged_in(l->client, (struct gw_str){0}, (struct gw_str){0}, 0);
    gw_flyte_call_fini(&l->call);
    gw_fetch_fini(&l->fetch);
    gw_buf_free(&l->endpoint);
    gw_buf_free(&l->scope);
    gw_buf_free(&l->audience);
    gw_buf_free(&l->header);
    gw_buf_free(&l->form);
    gw_arena_free(l->mem);
}
