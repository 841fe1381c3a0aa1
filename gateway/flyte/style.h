#ifndef GW_FLYTE_STYLE_H
#define GW_FLYTE_STYLE_H

#include "flyte/flyte.h"

/* Of every event of FlyteAdmin's version 1. */
extern const struct gw_str gw_flyteadmin_source;

/* Inside the room: the styles that style.c chooses among. Each makes an event as gw_style_make and
 * its data as gw_style_data. */
int gw_style_flyteadmin(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                        struct gw_event *ev, struct gw_err *err);
int gw_style_flyteadmin_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                             struct gw_event *ev, struct gw_err *err);
/* Version 2 without source and data, which the shipped script sets; its data is made anew by
 * putting the changed event in the place of rawEvent. */
int gw_style_flyteadmin_v2(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                           struct gw_event *ev, struct gw_err *err);
int gw_style_flyteadmin_v2_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                                struct gw_event *ev, struct gw_err *err);

#endif
