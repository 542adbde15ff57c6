/* keeper.h: the process that remembers. It sees ciphertext only. */
#ifndef HF_KEEPER_H
#define HF_KEEPER_H

#include "anchorsync.h"
#include "auditlog.h"
#include "keeper_serve.h"
#include "secret.h"
#include "store.h"

/* struct keeper_ctx: what the keeper's handlers work on. A test may put a memory
 * store into it. */
struct keeper_ctx {
	int dir;             /* of all; the caller's */
	struct store *store;
	struct anchor *anchor;
	struct anchorsync *anchoring; /* of keeper_loop */
	struct auditlog *audit;
	struct arena *arena; /* of the call */
	bool sync_wanted;    /* an audit record waits for the disk */
	bool tight;          /* the disk is all but full (reserve.h) */
	uint64_t frozen;     /* which freeze of the store holds; 0: none */
};

/* keeper_open opens or creates store.db, anchor and audit/ in the data directory. */
enum hf_err keeper_open(int dirfd, size_t audit_segment_bytes, struct keeper_ctx *ret)
	HF_MUST_CHECK;
void keeper_close(struct keeper_ctx *k);

/* keeper_loop answers the vault on fd until it goes: HF_E_CONNECTION. Requests
 * that have arrived together share one commit; audit records become durable beside it (auditsync.h), and the
 * anchor beside those (anchorsync.h). */
enum hf_err keeper_loop(struct keeper_ctx *k, int fd) HF_MUST_CHECK;

#endif
