/* Connections to NATS: who we are, TLS, and what it means when there is none. Each is made anew,
 * with files read anew; nats.c's own way of coming back, and what it would keep meanwhile, is off.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "publish/nats_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CONNECT_MS = 2000, /* each server has so long */
    WRITE_MS = 2000,
    PING_MS = 20000,
    PAUSE_MS = 200 /* between attempts */
};

/* ---- what it means ---- */

static int says(const char *text, const char *word)
{
    return text && strcasestr(text, word);
}

/* The key of the configuration that says who we are. */
static const char *login_of(const struct gw_publish_nats_conf *c)
{
    if (c->creds_file)
        return "creds_file, and whether its JWT has expired";
    if (c->nkey_file)
        return "nkey_file";
    if (c->username)
        return c->token ? "username, password and token" : "username and password";
    if (c->token)
        return "token";
    if (c->tls && c->tls->cert)
        return "tls.cert";
    return "who may connect: no username, token, nkey_file or creds_file is set";
}

static void put_servers(const struct gw_nats_client *c, char *out, size_t size)
{
    size_t len = 0;

    *out = '\0';
    for (size_t i = 0; i < c->conf.servers.n && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "",
                                gw_nats_server_shown(c->conf.servers.items[i]).p);
}

static int is_refusal(natsStatus s, const char *said)
{
    return s == NATS_CONNECTION_AUTH_FAILED || says(said, "authorization") ||
           says(said, "authentication");
}

void gw_nats_explain(struct gw_nats_client *c, natsStatus s, const char *said)
{
    const char *text = said && *said ? said : natsStatus_GetText(s);
    char *out = c->why;
    const size_t size = sizeof(c->why);

    if (is_refusal(s, said))
        snprintf(out, size, "the server does not let us in (%.80s): check %s", text,
                 login_of(&c->conf));
    else if (s == NATS_NOT_PERMITTED)
        snprintf(out, size, "the server refuses it: %.160s", text);
    else if (s == NATS_SSL_ERROR || says(said, "ssl") || says(said, "certificate"))
        snprintf(out, size,
                 "TLS: %.120s: check tls.ca, tls.cert and tls.key, and the server's name", text);
    else if (s == NATS_SECURE_CONNECTION_REQUIRED)
        snprintf(out, size, "the server asks for TLS: set tls");
    else if (s == NATS_SECURE_CONNECTION_WANTED)
        snprintf(out, size, "the server has no TLS, and tls asks for it");
    else if (s == NATS_NO_SERVER_SUPPORT)
        snprintf(out, size, "the server has no headers (before 2.2, or switched off)");
    else
        snprintf(out, size, "%.160s", text);
}

/* ---- options ---- */

static void ignore(natsConnection *nc, natsSubscription *sub, natsStatus s, void *closure)
{
    (void)nc; /* it would be printed; natsConnection_GetLastError has it, too */
    (void)sub;
    (void)s;
    (void)closure;
}

int gw_nats_is_secure(const struct gw_publish_nats_conf *c)
{
    for (size_t i = 0; i < c->servers.n; i++)
        if (!strncmp(c->servers.items[i], "tls://", 6))
            return 1;
    return c->tls != NULL;
}

static natsStatus set_servers(natsOptions *o, const struct gw_nats_client *c)
{
    const size_t n = c->conf.servers.n;
    const char **urls = calloc(n + 1, sizeof(*urls));
    char *text = malloc((n + 1) * 512);
    struct gw_err err;
    natsStatus s = NATS_OK;

    if (!urls || !text)
        abort();
    for (size_t i = 0; i < n && s == NATS_OK; i++) {
        urls[i] = text + i * 512;
        s = gw_nats_server(c->conf.servers.items[i], text + i * 512, 512, &err) ? NATS_INVALID_ARG
                                                                                : NATS_OK;
    }
    if (s == NATS_OK)
        s = natsOptions_SetServers(o, urls, (int)n);
    free(text);
    free(urls);
    return s;
}

static natsStatus set_tls(natsOptions *o, const struct gw_tls_conf *tls)
{
    natsStatus s = natsOptions_SetSecure(o, true);

    if (s == NATS_OK && tls && tls->ca)
        s = natsOptions_LoadCATrustedCertificates(o, tls->ca);
    if (s == NATS_OK && tls && tls->cert)
        s = natsOptions_LoadCertificatesChain(o, tls->cert, tls->key);
    if (s == NATS_OK && tls && !tls->verify)
        s = natsOptions_SkipServerVerification(o, true);
    return s;
}

static natsStatus set_login(natsOptions *o, const struct gw_publish_nats_conf *c,
                            struct gw_err *err)
{
    char public_key[GW_NATS_PUBLIC_KEY];
    natsStatus s = NATS_OK;

    if (c->username)
        s = natsOptions_SetUserInfo(o, c->username, c->password ? c->password : "");
    if (s == NATS_OK && c->token)
        s = natsOptions_SetToken(o, c->token);
    if (s == NATS_OK && c->creds_file)
        s = natsOptions_SetUserCredentialsFromFiles(o, c->creds_file, NULL);
    if (s == NATS_OK && c->nkey_file) {
        if (gw_nats_public_key(c->nkey_file, public_key, err))
            return NATS_ERR;
        s = natsOptions_SetNKeyFromSeed(o, public_key, c->nkey_file);
    }
    return s;
}

static natsStatus set_plain(natsOptions *o)
{
    natsStatus s = natsOptions_SetName(o, "moongate");

    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(o, false);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(o, CONNECT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(o, WRITE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(o, PING_MS);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, ignore, NULL);
    return s;
}

/* ---- what JetStream says ---- */

static void on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *closure)
{
    struct gw_nats_client *c = closure;
    const char *subject = natsMsg_GetSubject(m), *tail = subject + strlen(c->inbox);
    struct gw_nats_news n = {.kind = GW_NATS_ACK};
    char *end = NULL;

    (void)nc;
    (void)sub;
    if (strlen(subject) > strlen(c->inbox) && *tail == '.') {
        n.job = strtoull(tail + 1, &end, 10);
        n.item = *end == '-' ? strtol(end + 1, NULL, 10) : -1;
    }
    if (n.job && n.item >= 0 && natsMsg_IsNoResponders(m)) {
        n.kind = GW_NATS_NOBODY;
        gw_nats_say(c, &n, GW_STR(""));
    } else if (n.job && n.item >= 0) {
        const int len = natsMsg_GetDataLength(m);

        gw_nats_say(c, &n, (struct gw_str){natsMsg_GetData(m), (size_t)(len < 4096 ? len : 4096)});
    }
    natsMsg_Destroy(m);
}

static void on_ack_over(void *closure)
{
    gw_nats_release(closure);
}

/* Until that is done no message may go: its answer would be lost. */
static int await_acks(struct gw_nats_client *c)
{
    char subject[sizeof(c->inbox) + 2];
    natsStatus s;

    snprintf(subject, sizeof(subject), "%s.*", c->inbox);
    s = natsConnection_Subscribe(&c->acks, c->nc, subject, on_ack, c);
    if (s == NATS_OK) {
        atomic_fetch_add(&c->refs, 1);
        s = natsSubscription_SetOnCompleteCB(c->acks, on_ack_over, c);
        if (s != NATS_OK)
            gw_nats_release(c);
    }
    if (s == NATS_OK)
        (void)natsSubscription_SetPendingLimits(c->acks, -1, -1); /* the pipeline bounds them */
    if (s == NATS_OK)
        return gw_nats_flush(c, &s);
    gw_nats_explain(c, s, NULL);
    return -1;
}

/* ---- connecting ---- */

static natsStatus connect_with(struct gw_nats_client *c, natsOptions *o, struct gw_err *err)
{
    natsStatus s = set_plain(o);

    if (s == NATS_OK)
        s = set_servers(o, c);
    if (s == NATS_OK)
        s = set_login(o, &c->conf, err);
    if (s == NATS_OK && gw_nats_is_secure(&c->conf))
        s = set_tls(o, c->conf.tls);
    return s == NATS_OK ? natsConnection_Connect(&c->nc, o) : s;
}

static void explain_failure(struct gw_nats_client *c, natsStatus s, const struct gw_err *err)
{
    const char *said = nats_GetLastError(NULL);
    char servers[120];

    if (err->msg[0]) {
        snprintf(c->why, sizeof(c->why), "%.200s", err->msg);
    } else if (s == NATS_NO_SERVER) {
        put_servers(c, servers, sizeof(servers));
        snprintf(c->why, sizeof(c->why), "no server can be reached: %s", servers);
    } else {
        gw_nats_explain(c, s, said);
    }
}

int gw_nats_connect(struct gw_nats_client *c)
{
    natsOptions *o = NULL;
    struct gw_err err = {0};
    natsStatus s;

    if (c->refused_ms && gw_mono_ms() - c->refused_ms < PAUSE_MS)
        return -1;
    s = natsOptions_Create(&o);
    if (s == NATS_OK)
        s = connect_with(c, o, &err);
    natsOptions_Destroy(o);
    if (s != NATS_OK) {
        c->nc = NULL;
        explain_failure(c, s, &err);
    } else if (!c->conf.jetstream || !await_acks(c)) {
        c->refused_ms = 0;
        return 0;
    }
    gw_nats_disconnect(c);
    c->refused_ms = gw_mono_ms();
    return -1;
}

void gw_nats_disconnect(struct gw_nats_client *c)
{
    natsSubscription_Destroy(c->acks);
    natsConnection_Destroy(c->nc);
    c->acks = NULL;
    c->nc = NULL;
}
