#include "ingest/grpc_frame.h"

#include "base/err.h"

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int gw_grpc_frame_read(struct gw_str in, size_t max, struct gw_grpc_frame *out, struct gw_err *err)
{
    const unsigned char *p = (const unsigned char *)in.p;

    if (in.len >= 1 && p[0] > 1)
        return gw_err_set(err, GW_ERR_REJECT, "gRPC frame: byte 0: the compressed flag is %u",
                          p[0]);
    if (in.len < GW_GRPC_HEADER)
        return 0;
    out->compressed = p[0];
    out->declared = be32(p + 1);
    if (out->declared > max)
        return gw_err_set(err, GW_ERR_TOO_LARGE,
                          "message too large: %lu bytes declared, above max_message_bytes %zu",
                          (unsigned long)out->declared, max);
    out->size = GW_GRPC_HEADER + (size_t)out->declared;
    if (in.len < out->size)
        return 0;
    out->message = (struct gw_str){in.p + GW_GRPC_HEADER, out->declared};
    return 1;
}

int gw_grpc_frame_cut(struct gw_str in, struct gw_err *err)
{
    if (in.len == 0)
        return gw_err_set(err, GW_ERR_REJECT, "gRPC frame: the call has no message");
    if (in.len < GW_GRPC_HEADER)
        return gw_err_set(err, GW_ERR_REJECT,
                          "gRPC frame: cut short at byte %zu: a header has 5 bytes", in.len);
    return gw_err_set(
        err, GW_ERR_REJECT, "gRPC frame: the message is cut short: %zu of %lu bytes came",
        in.len - GW_GRPC_HEADER, (unsigned long)be32((const unsigned char *)in.p + 1));
}
