/* A workload's token that a command prints ("executable"), as Google's libraries run it: without a
 * shell, and only where GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES says that it may. */
#include "net/gcp_ask.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/gcp_json.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = 64, VARIABLES = 1024, OWN = 6 };
static const char of[] = "credential_source: executable";

struct printed {
    const char *token_type, *id_token, *saml, *message;
    struct gw_str version, success, expires, code;
};

static int read_printed(struct gw_arena *mem, struct gw_str json, struct printed *p,
                        struct gw_err *err)
{
    const struct gw_gcp_member members[] = {{"version", NULL, &p->version},
                                            {"success", NULL, &p->success},
                                            {"token_type", &p->token_type, NULL},
                                            {"id_token", &p->id_token, NULL},
                                            {"saml_response", &p->saml, NULL},
                                            {"expiration_time", NULL, &p->expires},
                                            {"code", NULL, &p->code},
                                            {"message", &p->message, NULL}};

    return gw_gcp_json_read(mem, json, members, sizeof(members) / sizeof(members[0]), err);
}

/* What it says of a failure. */
static int say_failed(struct gw_gcp_ask *a, const struct printed *p, struct gw_err *err)
{
    struct gw_buf said;

    gw_buf_init(&said, GW_GCP_ASK_WHY, a->mem);
    gw_gcp_ask_say(a, p->code.p ? gw_gcp_json_text(a->mem, p->code) : NULL, p->message, &said);
    gw_buf_putc(&said, '\0');
    return gw_err_set(err, GW_ERR_RETRY, "it says it has failed%s%s", said.len > 1 ? ": " : "",
                      said.p);
}

/* kept: it comes from the file, so it has to say how long it is good. NULL: err says why. */
static const char *token_of(struct gw_gcp_ask *a, struct gw_str json, int kept, struct gw_err *err)
{
    struct printed p = {0};
    const char *token;
    int saml;

    if (read_printed(a->mem, json, &p, err))
        return NULL;
    if (!gw_str_is(p.version, "1") || !p.success.p) {
        gw_err_set(err, GW_ERR_REJECT, "its answer has no version 1 or no success");
        return NULL;
    }
    if (!gw_str_is(p.success, "true")) {
        say_failed(a, &p, err);
        return NULL;
    }
    if ((kept && !p.expires.p) ||
        (p.expires.p && gw_gcp_json_number(p.expires) <= gw_clock_wall_ns() / 1000000000)) {
        gw_err_set(err, GW_ERR_RETRY, "its token has ended");
        return NULL;
    }
    saml = p.token_type && !strcmp(p.token_type, "urn:ietf:params:oauth:token-type:saml2");
    token = saml ? p.saml : p.id_token;
    if (!p.token_type || strcmp(p.token_type, a->plan.workload.subject_type) != 0 || !token ||
        !*token) {
        gw_err_set(err, GW_ERR_REJECT, "its answer has no token of the type subject_token_type");
        return NULL;
    }
    return token;
}

static void on_done(struct gw_command *c, const char *why)
{
    struct gw_gcp_ask *a = GW_CONTAINER(c, struct gw_gcp_ask, command);
    struct gw_err err;
    const char *token;

    if (why)
        gw_gcp_ask_fail(a, of, why);
    else if ((token = token_of(a, gw_buf_str(&c->text), 0, &err)))
        gw_gcp_ask_exchange(a, token);
    else
        gw_gcp_ask_fail(a, of, err.msg);
}

/* Words apart by spaces; quotes mean nothing, as in Go's library. */
static char **split(struct gw_arena *mem, const char *command)
{
    char **words = gw_arena_alloc(mem, (WORDS + 1) * sizeof(*words));
    size_t n = 0;

    while (*(command += strspn(command, " \t\r\n")) && n < WORDS) {
        const size_t len = strcspn(command, " \t\r\n");

        words[n++] = gw_arena_strndup(mem, command, len);
        command += len;
    }
    words[n] = NULL;
    return *command || !n ? NULL : words;
}

static char *variable(struct gw_arena *mem, const char *name, const char *value)
{
    const struct gw_str s = gw_arena_printf(mem, "GOOGLE_EXTERNAL_ACCOUNT_%s=%s", name, value);

    return gw_arena_strndup(mem, s.p, s.len);
}

/* Ours, and what the command is to know. */
static char **variables(struct gw_gcp_ask *a)
{
    const struct gw_gcp_workload *w = &a->plan.workload;
    char **env = gw_arena_alloc(a->mem, (VARIABLES + OWN + 1) * sizeof(*env));
    size_t n = 0;

    for (size_t i = 0; environ[i] && n < VARIABLES; i++)
        env[n++] = environ[i];
    env[n++] = variable(a->mem, "AUDIENCE", w->audience);
    env[n++] = variable(a->mem, "TOKEN_TYPE", w->subject_type);
    env[n++] = variable(a->mem, "INTERACTIVE", "0");
    if (a->plan.steps)
        env[n++] = variable(a->mem, "IMPERSONATED_EMAIL", a->plan.steps->email);
    if (w->output)
        env[n++] = variable(a->mem, "OUTPUT_FILE", w->output);
    env[n] = NULL;
    return env;
}

void gw_gcp_ask_command(struct gw_gcp_ask *a)
{
    const struct gw_gcp_workload *w = &a->plan.workload;
    const char *allowed = gw_gcp_env("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"), *token = NULL;
    struct gw_str kept = {0};
    char **argv = split(a->mem, w->command), said[100];
    struct gw_err err;
    int rc;

    if (!allowed || strcmp(allowed, "1") != 0) {
        gw_gcp_ask_fail(a, of,
                        "commands are run only where GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is "
                        "1");
        return;
    }
    if (!argv) {
        gw_gcp_ask_fail(a, of, "command is empty or has more than 64 words");
        return;
    }
    if (w->output)
        kept = gw_gcp_file(a->mem, w->output, &err);
    if (kept.p && (token = token_of(a, kept, 1, &err))) {
        gw_gcp_ask_exchange(a, token);
        return;
    }
    a->command.done = on_done;
    if ((rc = gw_command_start(&a->command, argv, variables(a), w->timeout_ms)))
        gw_gcp_ask_fail(a, of, strerror_r(rc, said, sizeof(said)));
}
