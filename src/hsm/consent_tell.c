#include "consent_tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "backup.h"
#include "backup_to.h"
#include "clone.h"
#include "domain_join.h"
#include "gate.h"
#include "partition.h"
#include "policies.h"
#include "tpm.h"
#include "unlock.h"

/* struct said is a sentence that grows. */
struct said {
	char *p;
	size_t n;
	bool cut; /* it does not say all */
};

static void say(struct said *s, const char *fmt, ...)
{
	size_t room = ASK_WHAT + 1 - s->n;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->p + s->n, room, fmt, ap);
	va_end(ap);
	s->cut |= n < 0 || (size_t)n >= room;
	if (n > 0)
		s->n += (size_t)n < room ? (size_t)n : room - 1;
}

#define TEXT(slice) (int)(slice).n, (const char *)(slice).p

/* Whoever asks chose the text: it ends where it seems to. */
static void say_quoted(struct said *s, struct slice text)
{
	say(s, "\"");
	for (size_t i = 0; i < text.n; i++)
		say(s, "%c", text.p[i] == '"' ? '\'' : text.p[i]);
	say(s, "\"");
}

/* say_partition: its label besides the serial number, by which people know it. */
static void say_partition(struct calls_ctx *c, struct said *s, struct slice serial)
{
	struct partition *p = partition_by_serial(c->hsm, serial);

	say(s, " %.*s", TEXT(serial));
	if (p == NULL)
		return;
	say(s, ", ");
	say_quoted(s, slice_str(p->label));
	partition_unref(p);
}

static void say_clients(struct said *s, struct identity_list l)
{
	for (size_t i = 0; i < l.n; i++)
		say(s, "%s%s:%llu", i > 0 ? "," : " ", l.v[i].kind == IDENTITY_GID ? "gid" : "uid",
			(unsigned long long)l.v[i].id);
}

static void say_limit(struct said *s, const char *name, uint64_t value)
{
	if (value == 0)
		say(s, "; %s: as the HSM has it", name);
	else
		say(s, "; %s: %llu", name, (unsigned long long)value);
}

static void say_objects(struct said *s, size_t n)
{
	if (n > 0)
		say(s, ", of %zu objects", n);
	else
		say(s, ", of all objects");
}

static void tell_policies(struct calls_ctx *c, struct said *s)
{
	struct policy_set_req q;
	struct rd r = rd_of(c->fields);

	if (!policy_set_req_dec(&r, c->arena, &q))
		return;
	say(s, " of");
	say_partition(c, s, q.serial);
	say(s, ":");
	for (size_t i = 0; i < q.changes.n; i++) {
		enum policy k = policy_numbered(q.changes.v[i].number);

		if (k < POLICIES)
			say(s, " %s=%llu", policy_rows[k].name, (unsigned long long)q.changes.v[i].value);
	}
	if (q.destroy)
		say(s, "; may destroy all objects in it");
}

static void tell_create(struct calls_ctx *c, struct said *s)
{
	struct partition_create_req q;
	struct rd r = rd_of(c->fields);

	if (!partition_create_req_dec(&r, c->arena, &q))
		return;
	say(s, " ");
	say_quoted(s, label_trimmed(q.label));
	say(s, ", clients:");
	if (q.clients.n == 0)
		say(s, " uid:%llu", (unsigned long long)c->conn->peer.uid);
	say_clients(s, q.clients);
	if (q.user_pin.n > 0)
		say(s, "; with a crypto officer's PIN");
}

/* C_InitToken makes a partition, or empties the one that the call is about. */
static void tell_init(struct calls_ctx *c, struct said *s)
{
	struct token_init_req q;
	struct rd r = rd_of(c->fields);

	if (!token_init_req_dec(&r, c->arena, &q))
		return;
	if (c->part != NULL)
		say(s, ": C_InitToken destroys all objects in it; its label becomes ");
	else
		say(s, " by C_InitToken, clients: uid:%llu, label ", (unsigned long long)c->conn->peer.uid);
	say_quoted(s, label_trimmed(q.label));
}

static void tell_delete(struct calls_ctx *c, struct said *s)
{
	struct partition_delete_req q;
	struct rd r = rd_of(c->fields);

	if (partition_delete_req_dec(&r, c->arena, &q))
		say_partition(c, s, q.serial);
}

static void tell_change(struct calls_ctx *c, struct said *s)
{
	struct partition_change_req q;
	struct rd r = rd_of(c->fields);

	if (!partition_change_req_dec(&r, c->arena, &q))
		return;
	say(s, " of");
	say_partition(c, s, q.serial);
	if ((q.what & EDIT_LABEL) != 0) {
		say(s, "; label: ");
		say_quoted(s, q.label);
	}
	if ((q.what & EDIT_ENABLED) != 0)
		say(s, "; %s", q.enabled ? "enabled" : "disabled");
	if ((q.what & EDIT_LIMITS) != 0) {
		say_limit(s, "objects", q.max_objects);
		say_limit(s, "bytes", q.max_bytes);
	}
	if ((q.what & EDIT_CLIENTS) != 0) {
		say(s, "; clients:");
		say_clients(s, q.clients);
	}
}

/* --- what opens the root key ------------------------------------------------------------- */

static void tell_only_method(struct calls_ctx *c, struct said *s)
{
	struct passphrase_set_req q;
	struct rd r = rd_of(c->fields);

	if (passphrase_set_req_dec(&r, c->arena, &q))
		say(s, ": %s, in the place of all other methods", q.passphrase.n > 0 ? "a passphrase" :
			"a file beside the data");
}

static void tell_more_method(struct calls_ctx *c, struct said *s)
{
	static const char *const kinds[] = { [BY_FILE] = "a file beside the data",
		[BY_PASSPHRASE] = "a passphrase", [BY_QUORUM] = "custodians", [BY_TPM] = "the TPM" };
	struct unlock_add_req q;
	struct rd r = rd_of(c->fields);
	char pcrs[TPM_PCRS_TEXT];

	if (!unlock_add_req_dec(&r, c->arena, &q))
		return;
	say(s, ": %s", q.by < sizeof(kinds) / sizeof(kinds[0]) && kinds[q.by] != NULL ? kinds[q.by] :
		"an unknown one");
	if (q.by != BY_TPM)
		return;
	tpm_pcrs_text(q.pcrs != 0 ? q.pcrs : c->hsm->unlock.pcrs, pcrs);
	say(s, ", PCRs %s, %s a PIN", pcrs, q.secret.n > 0 ? "with" : "without");
}

static void say_method(struct calls_ctx *c, struct said *s, uint8_t id)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	MUTEX_HOLD(&c->hsm->unlocking);
	const struct unlock_method_record *m = NULL;
	char what[UNLOCK_WHAT];

	say(s, ": method %u", id);
	if (unlock_read(c->hsm, &r) == HF_OK)
		m = root_record_id(r, id);
	if (m == NULL)
		return;
	unlock_what(m, what);
	say(s, ", %s", what);
}

static void tell_less_method(struct calls_ctx *c, struct said *s)
{
	struct unlock_remove_req q;
	struct rd r = rd_of(c->fields);

	if (unlock_remove_req_dec(&r, c->arena, &q))
		say_method(c, s, q.id);
}

static void tell_reseal(struct calls_ctx *c, struct said *s)
{
	struct unlock_reseal_req q;
	struct rd r = rd_of(c->fields);

	if (unlock_reseal_req_dec(&r, c->arena, &q))
		say_method(c, s, q.id);
}

static void tell_hsm_role(struct calls_ctx *c, struct said *s)
{
	struct hsm_role_set_req q;
	struct rd r = rd_of(c->fields);

	if (hsm_role_set_req_dec(&r, c->arena, &q))
		say(s, ": a new PIN of the HSM's %.*s%s", TEXT(q.name),
			q.change ? ", to be changed at the first login" : "");
}

/* --- custodians and domains -------------------------------------------------------------- */

static void tell_custodians(struct calls_ctx *c, struct said *s)
{
	struct quorum_create_req q;
	struct rd r = rd_of(c->fields);

	if (quorum_create_req_dec(&r, c->arena, &q))
		say(s, ": %u of %u%s%.*s", q.m, q.n, q.names.n > 0 ? ", " : "", TEXT(q.names));
}

static void tell_consent(struct calls_ctx *c, struct said *s)
{
	struct consent_set_req q;
	struct rd r = rd_of(c->fields);

	if (consent_set_req_dec(&r, c->arena, &q))
		say(s, ": %.*s %s", TEXT(q.name), q.needed ? "yes" : "no");
}

/* By the fingerprint custodians know which HSM it is about. */
static void tell_domain(struct said *s, struct slice domain, struct slice fingerprint)
{
	char hex[2 * DOMAIN_FINGERPRINT + 1];

	if (fingerprint.n != DOMAIN_FINGERPRINT)
		return;
	hex_encode(fingerprint, hex);
	say(s, " %.*s: fingerprint %s", TEXT(domain), hex);
}

static void tell_admit(struct calls_ctx *c, struct said *s)
{
	struct domain_admit_req q;
	struct rd r = rd_of(c->fields);

	if (domain_admit_req_dec(&r, c->arena, &q))
		tell_domain(s, q.domain, q.fingerprint);
}

static void tell_join(struct calls_ctx *c, struct said *s)
{
	struct domain_join_req q;
	struct rd r = rd_of(c->fields);

	if (domain_join_req_dec(&r, c->arena, &q))
		tell_domain(s, SLICE_STR("with the answer"), q.fingerprint);
}

static void tell_new_domain(struct calls_ctx *c, struct said *s)
{
	struct domain_create_req q;
	struct rd r = rd_of(c->fields);

	if (domain_create_req_dec(&r, c->arena, &q))
		say(s, " %.*s", TEXT(q.name));
}

static void tell_leave(struct calls_ctx *c, struct said *s)
{
	struct domain_leave_req q;
	struct rd r = rd_of(c->fields);

	if (domain_leave_req_dec(&r, c->arena, &q))
		say(s, " %.*s", TEXT(q.domain));
}

static void tell_partition_domain(struct calls_ctx *c, struct said *s)
{
	struct partition_domain_req q;
	struct rd r = rd_of(c->fields);

	if (partition_domain_req_dec(&r, c->arena, &q))
		say(s, " of %.*s: %.*s", TEXT(q.serial), TEXT(q.domain));
}

static void tell_clone(struct calls_ctx *c, struct said *s)
{
	struct clone_begin_req q;
	struct rd r = rd_of(c->fields);
	struct slice hsm, partition;

	if (!clone_begin_req_dec(&r, c->arena, &q) || !clone_asker(q.request, &hsm, &partition))
		return;
	say(s, " to HSM %.*s, partition %.*s", TEXT(hsm), TEXT(partition));
	say_objects(s, q.objects.n);
}

/* --- backups ------------------------------------------------------------------------------ */

static void say_collision(struct said *s, uint8_t how)
{
	static const char *const hows[] = { [RESTORE_FAIL] = "end it", [RESTORE_SKIP] = "stay",
		[RESTORE_REPLACE] = "are replaced",
		[RESTORE_RENAME] = "stay, and these get another label" };

	if (how < sizeof(hows) / sizeof(hows[0]))
		say(s, "; others that are there %s", hows[how]);
}

static void tell_restore(struct calls_ctx *c, struct said *s)
{
	struct restore_begin_req q;
	struct rd r = rd_of(c->fields);

	if (!restore_begin_req_dec(&r, c->arena, &q))
		return;
	if (q.only.n > 0)
		say(s, ", of some objects");
	say_collision(s, q.collision);
}

static void tell_take(struct calls_ctx *c, struct said *s)
{
	struct clone_take_req q;
	struct rd r = rd_of(c->fields);

	if (clone_take_req_dec(&r, c->arena, &q))
		say_collision(s, q.collision);
}

static void tell_whole_restore(struct calls_ctx *c, struct said *s)
{
	struct hsm_restore_begin_req q;
	struct rd r = rd_of(c->fields);

	if (!hsm_restore_begin_req_dec(&r, c->arena, &q))
		return;
	say(s, " of %.*s", TEXT(q.serial.n > 0 ? q.serial : SLICE_STR("every partition in it")));
	say_collision(s, q.collision);
}

static void tell_recipients(struct said *s, struct recipient_list to)
{
	static const char *const kinds[] = {
		[BACKUP_TO_PASSPHRASE] = "a passphrase",
		[BACKUP_TO_TOKEN] = "a key in another token",
	};

	for (size_t i = 0; i < to.n; i++) {
		unsigned kind = to.v[i].kind;
		struct backup_card card;

		say(s, i == 0 ? ", sealed to " : " and ");
		if (kind == BACKUP_TO_KEY && backup_card_dec(to.v[i].body, &card) == HF_OK)
			say(s, "%.*s", TEXT(card.name));
		else if (kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[kind] != NULL)
			say(s, "%s", kinds[kind]);
	}
}

static void tell_backup(struct calls_ctx *c, struct said *s)
{
	struct backup_begin_req q;
	struct rd r = rd_of(c->fields);

	if (!backup_begin_req_dec(&r, c->arena, &q))
		return;
	say_objects(s, q.objects.n);
	tell_recipients(s, q.to);
}

static void tell_whole_backup(struct calls_ctx *c, struct said *s)
{
	struct hsm_backup_begin_req q;
	struct rd r = rd_of(c->fields);

	if (!hsm_backup_begin_req_dec(&r, c->arena, &q))
		return;
	say(s, " of %.*s", TEXT(q.serial.n > 0 ? q.serial : SLICE_STR("every partition")));
	tell_recipients(s, q.to);
}

static const struct {
	unsigned opcode;
	void (*tell)(struct calls_ctx *c, struct said *s);
} tellers[] = {
	{ CALLS_POLICY_SET, tell_policies },
	{ CALLS_PARTITION_CREATE, tell_create },
	{ CALLS_PARTITION_DELETE, tell_delete },
	{ CALLS_PARTITION_CHANGE, tell_change },
	{ CALLS_TOKEN_INIT, tell_init },
	{ CALLS_PASSPHRASE_SET, tell_only_method },
	{ CALLS_UNLOCK_ADD, tell_more_method },
	{ CALLS_UNLOCK_REMOVE, tell_less_method },
	{ CALLS_UNLOCK_RESEAL, tell_reseal },
	{ CALLS_HSM_ROLE_SET, tell_hsm_role },
	{ CALLS_RESTORE_BEGIN, tell_restore },
	{ CALLS_HSM_RESTORE_BEGIN, tell_whole_restore },
	{ CALLS_CLONE_TAKE, tell_take },
	{ CALLS_QUORUM_CREATE, tell_custodians },
	{ CALLS_CONSENT_SET, tell_consent },
	{ CALLS_CLONE_BEGIN, tell_clone },
	{ CALLS_BACKUP_BEGIN, tell_backup },
	{ CALLS_HSM_BACKUP_BEGIN, tell_whole_backup },
	{ CALLS_DOMAIN_ADMIT, tell_admit },
	{ CALLS_DOMAIN_JOIN, tell_join },
	{ CALLS_DOMAIN_CREATE, tell_new_domain },
	{ CALLS_DOMAIN_LEAVE, tell_leave },
	{ CALLS_PARTITION_DOMAIN, tell_partition_domain },
};

enum hf_err consent_tell(struct calls_ctx *c, const char *name, char ret[ASK_WHAT + 1])
{
	struct said s = { ret, 0, false };

	say(&s, "%s", name);
	if (c->part != NULL)
		say(&s, " in partition %s", c->part->serial);
	for (size_t i = 0; i < sizeof(tellers) / sizeof(tellers[0]); i++)
		if (tellers[i].opcode == c->head.opcode)
			tellers[i].tell(c, &s);
	if (s.cut)
		call_detail(c, "it is more than custodians can be shown at once; say it in parts");
	return s.cut ? HF_E_LIMIT : HF_OK;
}
