/* What `check --online` asks. */
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "publish/nats_client.h"

#include <stdio.h>
#include <string.h>

enum { ASK_MS = 2000, DEPTH = 32 };

/* The first text of the list `streams`; p NULL: none, and why may get the error's text. */
static struct gw_str first_stream(struct gw_str answer, struct gw_arena *mem, struct gw_str *why)
{
    struct gw_str found = {0}, skipped;
    struct gw_json j;

    gw_json_init(&j, answer, DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return found;
    while (gw_json_next(&j) == GW_JSON_KEY) {
        if (gw_json_is(&j, "streams") && gw_json_next(&j) == GW_JSON_ARRAY) {
            if (gw_json_next(&j) == GW_JSON_STRING)
                found = gw_json_string(&j, mem);
            return found;
        }
        if (gw_json_is(&j, "error"))
            *why = GW_STR("JetStream refuses to say");
        if (j.token == GW_JSON_KEY && gw_json_value(&j, &skipped))
            return found;
    }
    return found;
}

static void say_streams(struct gw_nats_client *c, natsMsg *answer, const char *where, char *text,
                        size_t size, int *ok)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str why = {0}, stream;

    stream = first_stream(
        (struct gw_str){natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer)}, mem, &why);
    *ok = stream.len > 0;
    if (*ok)
        snprintf(text, size, "%s, stream %.*s has subject %s", where, (int)stream.len, stream.p,
                 c->conf.subject);
    else if (why.len)
        snprintf(text, size, "%s: %s which stream has subject %s: see permissions of $JS.API.>",
                 where, why.p, c->conf.subject);
    else
        snprintf(text, size, "%s: no stream has subject %s: nats stream add NAME --subjects %s",
                 where, c->conf.subject, c->conf.subject);
    gw_arena_free(mem);
}

/* With fields in it a subject is known only with an event. */
static int is_fixed(const char *subject)
{
    return !strchr(subject, '{');
}

void gw_nats_ask(struct gw_nats_client *c, char *text, size_t size, int *ok)
{
    const int fixed = is_fixed(c->conf.subject);
    natsMsg *answer = NULL;
    char where[160] = "", url[128] = "", ask[GW_TEMPLATE_MAX + 32];
    natsStatus s;

    (void)natsConnection_GetConnectedUrl(c->nc, url, sizeof(url));
    snprintf(where, sizeof(where), "connected to %.*s", (int)gw_nats_server_shown(url).len,
             gw_nats_server_shown(url).p);
    *ok = 1;
    if (!c->conf.jetstream) {
        snprintf(text, size, "%s, subject %s", where, c->conf.subject);
        return;
    }
    snprintf(ask, sizeof(ask), "{\"subject\":\"%s\"}", fixed ? c->conf.subject : ">");
    s = natsConnection_RequestString(&answer, c->nc, "$JS.API.STREAM.NAMES", ask, ASK_MS);
    if (s == NATS_OK && fixed)
        say_streams(c, answer, where, text, size, ok);
    else if (s == NATS_OK)
        snprintf(text, size, "%s, JetStream is there; subject %s depends on the event", where,
                 c->conf.subject);
    else
        snprintf(text, size, "%s: JetStream does not answer (%s): is it enabled for this account?",
                 where, natsStatus_GetText(s));
    *ok &= s == NATS_OK;
    natsMsg_Destroy(answer);
}
