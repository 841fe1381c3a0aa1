#ifndef GW_NET_AWS_PROFILES_H
#define GW_NET_AWS_PROFILES_H

#include "base/str.h"

struct gw_arena;
struct gw_err;

/* The files that AWS's tools share (docs.aws.amazon.com, "Configuration and credential file
 * settings"): ~/.aws/credentials with `[name]`, ~/.aws/config with `[default]`, `[profile name]`,
 * `[sso-session name]` and more; AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name others. What
 * both say of a profile, the credentials file says. A file that is not there is an empty one. */
struct gw_aws_profiles;

/* On mem. GW_ERR_RETRY: a file cannot be read; GW_ERR_REJECT: FILE:LINE is no line of such a file.
 * Values are not in any error. */
struct gw_aws_profiles *gw_aws_profiles_read(struct gw_arena *mem, struct gw_err *err);
/* A variable of the environment; NULL: it is not set, or empty. */
const char *gw_aws_env(const char *name);
/* The profile that is asked for: AWS_PROFILE, AWS_DEFAULT_PROFILE, else "default". */
const char *gw_aws_profile_name(void);
int gw_aws_profile_exists(const struct gw_aws_profiles *p, const char *profile);
/* NULL: it does not say. key in lower case; a nested one as "s3.max_queue_size". */
const char *gw_aws_profile_get(const struct gw_aws_profiles *p, const char *profile,
                               const char *key);
/* Of another kind of section, as "sso-session" or "services". */
const char *gw_aws_section_get(const struct gw_aws_profiles *p, const char *kind, const char *name,
                               const char *key);

#endif
