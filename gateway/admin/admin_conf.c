#include "admin/admin.h"

#include "admin/access.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "net/listener.h"

#include <string.h>

const struct gw_field gw_admin_fields[] = {
    {"listen", GW_F_STR, offsetof(struct gw_admin_conf, listen), .def = "127.0.0.1:9090",
     .help = "Address and port of health, metrics and the API; port 0 lets the kernel choose, none "
             "turns it off."},
    {"token_file", GW_F_STR, offsetof(struct gw_admin_conf, token_file), .path = 1, .input = 1,
     .help = "A file that holds the token (Authorization: Bearer) which requests that change "
             "something need; read anew for each. Without it they are taken on loopback only, and "
             "not from other pages."},
    {0}};

void gw_admin_check(const struct gw_admin_conf *conf, const struct gw_yaml *at,
                    struct gw_problems *p)
{
    const struct gw_yaml *listen = at ? gw_yaml_get(at, "listen") : NULL;
    const struct gw_yaml *file = at ? gw_yaml_get(at, "token_file") : NULL;
    char token[GW_TOKEN_MAX], why[300];

    if (!conf->listen || !strcmp(conf->listen, "none"))
        return;
    if (conf->token_file && file && !gw_token_read(conf->token_file, token, why, sizeof(why)))
        gw_problems_add(p, 0, file->file, file->line, file->column, "admin.token_file: %s", why);
    explicit_bzero(token, sizeof(token));
    if (!conf->token_file && listen && gw_listen_ok(conf->listen) &&
        !gw_access_is_loopback(conf->listen))
        gw_problems_add(p, 1, listen->file, listen->line, listen->column,
                        "admin.listen: not loopback, and there is no admin.token_file: nothing "
                        "can be changed through it");
}
