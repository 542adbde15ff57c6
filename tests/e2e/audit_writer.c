/* audit_writer DIR N [SEGMENT_BYTES]: an audit log of N records of uses of a key in DIR/audit, by the
 * vault's own writer and the keeper's own files, signed as they are in earnest. Prints
 * the audit key, the last record's number and hash, and the seconds that it took. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "audit.h"
#include "clock.h"
#include "gate.h"
#include "keeper.h"
#include "keeper_ask.h"
#include "pkcs11_numbers.h"

static struct keeper_ctx files;
static struct mutex lock = MUTEX_INIT;

static enum hf_err ask(struct keeper *k, enum keeper_op op, struct slice fields, struct arena *a,
	struct rd *rest)
{
	CLEANUP(buf_done) struct buf out = BUF_MAX(WIRE_MAX_BYTES);
	struct slice kept;
	MUTEX_HOLD(&lock);

	(void)k;
	files.arena = a;
	TRY(keeper_run(op, &files, rd_of(fields), a, &out));
	if (files.sync_wanted)
		TRY(auditlog_sync(files.audit));
	files.sync_wanted = false;
	TRY(arena_dup(a, buf_slice(&out), &kept));
	*rest = rd_of(kept);
	return HF_OK;
}

static enum hf_err write_all(struct audit *a, uint64_t n)
{
	static struct partition part = { .serial = "0123456789abcdef", .label = "payments",
		.lock = PTHREAD_RWLOCK_INITIALIZER };
	static struct hsm hsm;
	struct hsm_conn conn = { .hsm = &hsm, .peer = { .uid = 1000, .pid = 4711 } };
	struct calls_ctx c = { .hsm = &hsm, .conn = &conn, .part = &part, .role = ROLE_USER,
		.row = &calls_rows[CALLS_SIGN_INIT],
		.head = { .session = 3 }, .audit = { .has_object = true, .object_label = "signing key",
		.mechanism = CKM_ECDSA_SHA256 } };

	for (uint64_t i = 0; i < n; i++) {
		struct audit_end end = { HF_OK, 21000 + i % 1000, AUDIT_QUEUED };

		c.head.request = i;
		TRY(audit_call(a, &c, &end));
	}
	return audit_flush(a) == audit_sequence(a) ? HF_OK : HF_E_AUDIT;
}

static enum hf_err tell(struct keeper *k, struct audit *a, uint64_t ns)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_tail_res r;
	uint8_t hash[CRYPTO_HASH];
	char key_hex[65], hash_hex[65];

	hex_encode(SLICE_OF(audit_keys(a)->public_key), key_hex);
	audit_close(a);
	TRY(keeper_audit_tail(k, &arena, &r));
	TRY(crypto_sha256(r.last.v[0].record, hash));
	hex_encode(SLICE_OF(hash), hash_hex);
	printf("{\"key\":\"%s\",\"last\":%" PRIu64 ",\"hash\":\"%s\",\"seconds\":%.3f}\n", key_hex, r.seq,
		hash_hex, (double)ns / 1e9);
	return HF_OK;
}

static enum hf_err run(int dir, uint64_t n, size_t segment)
{
	static const uint8_t seed[32] = { 7 };
	struct keeper k = { .call = ask };
	struct audit_setup set = { .keeper = &k, .seed = SLICE_OF(seed), .must = true };
	struct audit *a;
	uint64_t began;

	TRY(crypto_init());
	TRY(keeper_open(dir, segment, &files));
	TRY(audit_open(&set, &a));
	began = clock_mono_ns();
	TRY(write_all(a, n));
	TRY(tell(&k, a, clock_mono_ns() - began));
	keeper_close(&files);
	return HF_OK;
}

int main(int argc, char **argv)
{
	int dir = argc > 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	enum hf_err e;

	if (dir < 0) {
		fprintf(stderr, "usage: audit_writer DIR N [SEGMENT_BYTES]\n");
		return 2;
	}
	e = run(dir, strtoull(argv[2], NULL, 10), argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 64u << 20);
	if (e != HF_OK)
		fprintf(stderr, "audit_writer: %s\n", err_text(e));
	return e == HF_OK ? 0 : 1;
}
