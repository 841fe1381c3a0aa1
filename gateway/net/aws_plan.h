#ifndef GW_NET_AWS_PLAN_H
#define GW_NET_AWS_PLAN_H

#include "net/aws_sign.h"

struct gw_arena;
struct gw_aws_profiles;
struct gw_err;

/* Where credentials are to be had: what the environment and the shared files say, in the order of
 * AWS's SDKs (environment, web identity, profile, container, instance), before anybody is asked.
 * Everything lies on the arena, or is the environment's. */
enum gw_aws_source {
    GW_AWS_STATIC,       /* keys that stand somewhere */
    GW_AWS_WEB_IDENTITY, /* a token in a file, for a role: STS AssumeRoleWithWebIdentity */
    GW_AWS_PROCESS,      /* what a command prints (credential_process) */
    GW_AWS_CONTAINER,    /* ECS, EKS pod identity: a URL of the container's environment */
    GW_AWS_INSTANCE      /* EC2's instance metadata, version 2 */
};

struct gw_aws_role {
    struct gw_aws_role *next;
    const char *arn;
    const char *external_id, *session; /* NULL: none; one is made */
    int64_t duration_s;                /* 0: the service's default */
};

struct gw_aws_plan {
    enum gw_aws_source source;
    struct gw_aws_keys keys;   /* GW_AWS_STATIC */
    const char *token_file;    /* GW_AWS_WEB_IDENTITY; read each time */
    struct gw_aws_role *web;   /* the same: the role of the token */
    const char *command;       /* GW_AWS_PROCESS */
    struct gw_aws_role *roles; /* then assumed, in this order: STS AssumeRole */
    const char *from;          /* "the environment", "profile dev": for people */
};

/* GW_ERR_REJECT: what is said there cannot be (a profile that does not exist, that sources itself,
 * a role without a source): the text says what to change, never a secret. GW_ERR_UNSUPPORTED: it
 * wants a person (SSO, MFA). */
int gw_aws_plan_make(struct gw_arena *mem, const struct gw_aws_profiles *profiles,
                     struct gw_aws_plan *out, struct gw_err *err);
/* What is wrong with a queue's URL, in why; NULL: nothing. Of an ARN: its URL. */
const char *gw_aws_queue_problem(const char *url, char *why, size_t size);
/* A topic or a queue that keeps order, by its name. */
int gw_aws_is_fifo(struct gw_str topic);

#endif
