#include "admin/admin.h"

const struct gw_field gw_admin_fields[] = {
    {"listen", GW_F_STR, offsetof(struct gw_admin_conf, listen), .def = "127.0.0.1:9090",
     .help = "Address and port of health, metrics and the API; port 0 lets the kernel choose, none "
             "turns it off."},
    {0}};
