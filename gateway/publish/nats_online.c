/* What `check --online` asks: whether the server lets us in, and which stream has the subject. */
#include "base/arena.h"
#include "base/json.h"
#include "publish/nats_client.h"

#include <stdio.h>
#include <string.h>

enum { ASK_MS = 2000, DEPTH = 32 };

struct streams {
    struct gw_str first; /* p NULL: none */
    int failed;          /* the answer is no list */
};

static void read_list(struct gw_json *j, struct gw_arena *mem, struct streams *s)
{
    if (gw_json_next(j) != GW_JSON_ARRAY)
        s->failed |= j->token != GW_JSON_NULL;
    else if (gw_json_next(j) == GW_JSON_STRING)
        s->first = gw_json_string(j, mem);
}

/* {"streams":["S"]}, {"streams":null}, {"error":{…}} */
static struct streams read_streams(struct gw_str answer, struct gw_arena *mem)
{
    struct streams s = {0};
    struct gw_str skipped;
    struct gw_json j;

    gw_json_init(&j, answer, DEPTH);
    s.failed = gw_json_next(&j) != GW_JSON_OBJECT;
    while (!s.failed && !s.first.p && gw_json_next(&j) == GW_JSON_KEY) {
        const int is_list = gw_json_is(&j, "streams");

        s.failed = gw_json_is(&j, "error");
        if (is_list)
            read_list(&j, mem, &s);
        else if (gw_json_value(&j, &skipped))
            s.failed = 1;
    }
    return s;
}

static enum gw_online_answer say_streams(const char *where, const char *subject, natsMsg *answer,
                                         char *text, size_t size)
{
    const struct gw_str said = {natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer)};
    struct gw_arena *mem = gw_arena_new();
    const struct streams s = read_streams(said, mem);
    const int fixed = !strchr(subject, '{'); /* else it is known with an event alone */

    if (s.failed)
        snprintf(text, size, "%s, and JetStream does not say which stream has subject %s", where,
                 subject);
    else if (!fixed)
        snprintf(text, size, "%s, with JetStream; each event says which subject of %s it goes to",
                 where, subject);
    else if (s.first.p)
        snprintf(text, size, "%s, stream %.*s has subject %s", where, (int)s.first.len, s.first.p,
                 subject);
    else
        snprintf(text, size, "%s, no stream has subject %s: nats stream add NAME --subjects %s",
                 where, subject, subject);
    gw_arena_free(mem);
    return s.failed ? GW_ONLINE_UNSURE : s.first.p || !fixed ? GW_ONLINE_YES : GW_ONLINE_NO;
}

enum gw_online_answer gw_nats_ask(struct gw_nats_client *c, char *text, size_t size)
{
    const char *subject = c->conf.subject;
    char where[160], url[128] = "", ask[GW_TEMPLATE_MAX + 32];
    enum gw_online_answer answer;
    natsMsg *reply = NULL;
    natsStatus s;

    (void)natsConnection_GetConnectedUrl(c->nc, url, sizeof(url));
    snprintf(where, sizeof(where), "NATS: %.120s lets us in", gw_nats_server_shown(url).p);
    if (!c->conf.jetstream) {
        snprintf(text, size, "%s, subject %s", where, subject);
        return GW_ONLINE_YES;
    }
    snprintf(ask, sizeof(ask), "{\"subject\":\"%s\"}", strchr(subject, '{') ? ">" : subject);
    s = natsConnection_RequestString(&reply, c->nc, "$JS.API.STREAM.NAMES", ask, ASK_MS);
    if (s == NATS_OK) {
        answer = say_streams(where, subject, reply, text, size);
    } else {
        snprintf(text, size, "%s, and JetStream does not answer (%s): is it on for this account?",
                 where, natsStatus_GetText(s));
        answer = s == NATS_NO_RESPONDERS ? GW_ONLINE_NO : GW_ONLINE_UNSURE;
    }
    natsMsg_Destroy(reply);
    return answer;
}
