/* What our publisher of Pub/Sub costs, from event to result, against the tests' server:
 *   build/release/pubsub_bench ADDRESS PROJECT TOPIC N [key]
 * Sixteen sends of a hundred are under way. key: each event has one of a hundred ordering keys.
 * Prints events=, seconds= and cpu= (of this process). */
#include "publish/publish_pubsub.h"
#include "sender.h"

enum { BATCH = 100 };

int main(int argc, char **argv)
{
    struct gw_publish_pubsub_conf conf = {
        .common = {.max_message_bytes = 10000000, .batch = {BATCH, 1000000, 0}},
        .ordering = argc > 5 ? GW_ORDERING_KEY : GW_ORDERING_NONE};

    if (argc < 5)
        die("usage", "pubsub_bench ADDRESS PROJECT TOPIC N [key]");
    setenv("PUBSUB_EMULATOR_HOST", argv[1], 1);
    conf.project = argv[2];
    conf.topic = argv[3];
    send_all(&gw_publish_pubsub, &conf, BATCH, KEYS, strtol(argv[4], NULL, 10));
    return 0;
}
