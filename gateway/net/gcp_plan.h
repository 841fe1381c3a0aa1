#ifndef GW_NET_GCP_PLAN_H
#define GW_NET_GCP_PLAN_H

#include "base/str.h"
#include "net/gcp_workload.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_err;

/* Where a token is to be had, in the order of Google's libraries ("How Application Default
 * Credentials works"): the file of GOOGLE_APPLICATION_CREDENTIALS, gcloud's own
 * (CLOUDSDK_CONFIG, else ~/.config/gcloud), the metadata server. Files are read, nobody is asked.
 * Everything lies on the arena, or is the environment's. */
enum gw_gcp_kind {
    GW_GCP_KEY,      /* service_account: a key that signs */
    GW_GCP_REFRESH,  /* authorized_user, external_account_authorized_user: a refresh token */
    GW_GCP_WORKLOAD, /* external_account: somebody else's token */
    GW_GCP_INSTANCE  /* the metadata server */
};

/* A service account that is then impersonated (IAM's generateAccessToken). */
struct gw_gcp_step {
    struct gw_gcp_step *next;
    const char *url, *email;
    struct gw_str delegates; /* a JSON list; p NULL: none */
    int64_t lifetime_s;
};

struct gw_gcp_plan {
    enum gw_gcp_kind kind;
    const char *from;          /* the file, or "the metadata server": for people */
    const char *who;           /* an e-mail or a principal; NULL: not known */
    const char *quota_project; /* NULL: none; it can stand in a header */
    const char *universe;      /* "googleapis.com" */
    const char *token_url;
    /* Of some kinds; NULL: none. */
    const char *email, *key, *key_id;
    const char *client_id, *client_secret, *refresh_token;
    int client_in_header; /* the client's id and secret stand in a header, not in the form */
    struct gw_gcp_workload workload;
    struct gw_gcp_step *steps; /* in their order */
    /* gcloud's file is there and cannot be read, so the metadata server is asked. */
    const char *unread;
};

/* GW_ERR_REJECT: what stands in a file cannot be; GW_ERR_RETRY: it cannot be read;
 * GW_ERR_UNSUPPORTED: a kind that is not supported. The text names the file, never a secret. */
int gw_gcp_plan_make(struct gw_arena *mem, struct gw_gcp_plan *out, struct gw_err *err);
/* The same of a file's text. */
int gw_gcp_plan_read(struct gw_arena *mem, const char *from, struct gw_str json,
                     struct gw_gcp_plan *out, struct gw_err *err);
/* A JWT that we sign is itself the token: no endpoint of another than Google has to be asked. */
int gw_gcp_signs_itself(const struct gw_gcp_plan *p);
/* A variable of the environment; NULL: it is not set, or empty. */
const char *gw_gcp_env(const char *name);
/* A whole file with a NUL behind it, on mem; p NULL: err names it. */
enum { GW_GCP_FILE_MAX = 1 << 18 };
struct gw_str gw_gcp_file(struct gw_arena *mem, const char *path, struct gw_err *err);

#endif
