/* credential_process: a command of the user's own configuration prints credentials. It is run by
 * the shell, as the SDKs do it. */
#include "net/aws_ask.h"

#include "base/arena.h"

#include <string.h>

enum { PROCESS_MS = 60000 };
static const char of[] = "credential_process";

static void on_done(struct gw_command *c, const char *why)
{
    struct gw_aws_ask *a = GW_CONTAINER(c, struct gw_aws_ask, process);

    if (why)
        gw_aws_ask_fail(a, of, why);
    else
        gw_aws_ask_json(a, gw_buf_str(&c->text), "SessionToken", of);
}

void gw_aws_ask_process(struct gw_aws_ask *a)
{
    char sh[] = "/bin/sh", flag[] = "-c",
         *command = gw_arena_strndup(a->mem, a->plan.command, strlen(a->plan.command));
    char *const argv[] = {sh, flag, command, NULL};
    char said[100];
    int rc;

    a->process.done = on_done;
    if ((rc = gw_command_start(&a->process, argv, NULL, PROCESS_MS)))
        gw_aws_ask_fail(a, of, strerror_r(rc, said, sizeof(said)));
}
