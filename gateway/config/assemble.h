#ifndef GW_CONFIG_ASSEMBLE_H
#define GW_CONFIG_ASSEMBLE_H

#include "config/config.h"

struct gw_field;
struct gw_yaml;

/* Inside the room: the steps of a load. */

/* Notes the files that a mapping needs. */
void gw_config_note_files(struct gw_config *c, const struct gw_field *fields,
                          const struct gw_yaml *map, const struct gw_pipeline_conf *of);

#endif
