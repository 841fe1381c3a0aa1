#include "flyte/flyte.h"

const struct gw_fact gw_flyte_fact_table[GW_FACTS] = {
    {"kind", GW_FACT_KIND, offsetof(struct gw_flyte, kind)},
    {"org", GW_FACT_TEXT, offsetof(struct gw_flyte, org)},
    {"project", GW_FACT_TEXT, offsetof(struct gw_flyte, project)},
    {"domain", GW_FACT_TEXT, offsetof(struct gw_flyte, domain)},
    {"execution", GW_FACT_TEXT, offsetof(struct gw_flyte, execution)},
    {"node", GW_FACT_TEXT, offsetof(struct gw_flyte, node)},
    {"task", GW_FACT_TEXT, offsetof(struct gw_flyte, task)},
    {"attempt", GW_FACT_ATTEMPT, offsetof(struct gw_flyte, attempt)},
    {"phase", GW_FACT_TEXT, offsetof(struct gw_flyte, phase)},
    {"terminal", GW_FACT_FLAG, offsetof(struct gw_flyte, terminal)},
    {"failed", GW_FACT_FLAG, offsetof(struct gw_flyte, failed)},
    {"error_code", GW_FACT_TEXT, offsetof(struct gw_flyte, error_code)},
    {"error_message", GW_FACT_TEXT, offsetof(struct gw_flyte, error_message)},
};
