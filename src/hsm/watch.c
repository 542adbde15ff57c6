#include "watch.h"

#include <inttypes.h>
#include <stdio.h>

#include "audit.h"
#include "clock.h"
#include "generation.h"
#include "keeper_ask.h"
#include "log.h"
#include "records.h"
#include "roles.h"
#include "tamper.h"
#include "usage.h"

#define NS_PER_S 1000000000u
#define PROBE_S 10u
#define JUMP_US 5000000 /* what is set right by less is no event */

/* Both clocks are slewed alike; only a step, or sleep, changes their distance. */
void watch_clock(struct hsm *h, int64_t offset_us)
{
	struct watch *w = &h->watch;
	int64_t by = offset_us - w->offset_us;
	char detail[80];
	bool first = w->offset_us == 0;

	w->offset_us = offset_us;
	if (first || (by < JUMP_US && by > -JUMP_US))
		return;
	atomic_fetch_add(&w->jumps, 1);
	(void)snprintf(detail, sizeof(detail), "the clock went %s by %" PRId64 " s",
		by < 0 ? "back" : "forward", (by < 0 ? -by : by) / 1000000);
	log_warn("%s", detail);
	if (audit_event(h->audit, "clock-jump", detail, HF_E_CLOCK) != HF_OK)
		log_error("audit: the clock's jump could not be recorded");
}

/* A store that refused is asked again by itself, so that health does not wait for somebody's write: a
 * count of nobody's is set to what it is. */
static void watch_store(struct hsm *h, uint64_t now)
{
	if (!atomic_load(&h->keeper->store_failing) || now - h->watch.probe_ns < PROBE_S * NS_PER_S)
		return;
	h->watch.probe_ns = now;
	if (records_fail_set(h->records, HSM_SELF, 0, 0) == HF_OK)
		log_notice("the store takes writes again");
}

/* What the disk did not take when it mattered. */
static void watch_due(struct hsm *h, uint64_t now)
{
	if (!atomic_load(&h->due) || now - h->watch.probe_ns < PROBE_S * NS_PER_S)
		return;
	h->watch.probe_ns = now;
	tamper_tick(h);
}

static void watch_room(struct hsm *h)
{
	if (keeper_room(h->keeper) != HF_OK)
		log_warn("the keeper does not say whether the disk has room");
}

void hsm_waiting(struct hsm *h, int more)
{
	atomic_fetch_add_explicit(&h->slow_waiting, (unsigned)more, memory_order_relaxed);
}

void hsm_tick(struct hsm *h)
{
	uint64_t now = clock_mono_ns();

	watch_due(h, now);
	if (atomic_load(&h->state) != HSM_OPERATIONAL)
		return;
	if (!crypto_alive())
		hsm_fail(h, "a test that the FIPS provider runs by itself has failed");
	watch_store(h, now);
	watch_room(h);
	generation_tick(h);
	watch_clock(h, (int64_t)clock_wall_us() - (int64_t)(now / 1000));
	if (now - h->watch.pass_ns < (uint64_t)h->cfg.audit_count_seconds * NS_PER_S)
		return;
	if (h->watch.pass_ns != 0)
		usages_pass(h);
	h->watch.pass_ns = now;
}
