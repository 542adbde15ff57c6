#include "roles.h"

#include <stdio.h>
#include <string.h>

#include "activate.h"
#include "audit.h"
#include "clock.h"
#include "log.h"
#include "login.h"
#include "policy.h"
#include "rights.h"
#include "roles_int.h"

#define FORMAT 10
#define FORMAT_9 9 /* before they told the form of a PIN */
#define FORMAT_8 8 /* before they told persons apart */
#define FORMAT_7 7 /* before they named the role key */
#define FORMAT_6 6 /* before they had key pairs */
#define FORMAT_5 5 /* before they could have custodians */
#define FORMAT_4 4 /* before there were challenges */
#define FORMAT_3 3 /* before users could be restricted */
#define FORMAT_2 2 /* before users could be blocked */
#define FORMAT_1 1 /* before there were rules about PINs, and named users */
#define US_PER_DAY (86400ull * 1000000)
#define FIRST_ID 256u /* of a named user's counter */

static void fixed(struct role_record *r, enum role role)
{
	(void)snprintf(r->name, sizeof(r->name), "%s", role_name(role));
	r->role = role;
	r->id = (uint32_t)role;
	r->rights.may = RIGHTS_ALL;
}

enum hf_err roles_new(struct roles **ret)
{
	struct roles *r = hf_alloc(1, sizeof(*r));

	if (r == NULL)
		return HF_E_MEMORY;
	r->damaged = damaged_new();
	if (r->damaged == NULL) {
		hf_free(r);
		return HF_E_MEMORY;
	}
	fixed(&r->so, ROLE_SO);
	fixed(&r->user, ROLE_USER);
	mutex_init(&r->pin);
	mutex_init(&r->lock);
	*ret = r;
	return HF_OK;
}

static void free_named(struct roles *r)
{
	while (r->named != NULL) {
		struct user *u = r->named;

		r->named = u->next;
		hf_free(u);
	}
}

void roles_free(struct roles *r)
{
	if (r == NULL)
		return;
	free_named(r);
	gone_free(r);
	activations_free(r);
	damaged_free(r->damaged);
	secret_done(&r->from);
	mutex_done(&r->pin);
	mutex_done(&r->lock);
	hf_free(r);
}

const char *role_name(enum role role)
{
	switch (role) {
	case ROLE_SO:
		return "so";
	case ROLE_USER:
		return "user";
	case ROLE_LIMITED:
		return "limited";
	case ROLE_CRYPTO_USER:
		return "crypto-user";
	case ROLE_HSM_SO:
		return "hsm-so";
	case ROLE_ADMINISTRATOR:
		return "administrator";
	case ROLE_AUDITOR:
		return "auditor";
	case ROLE_PUBLIC:
		break;
	}
	return "public";
}

struct role_record *role_of(struct roles *r, enum role role)
{
	return role == ROLE_SO ? &r->so : &r->user;
}

/* --- named users -------------------------------------------------------------- */

bool user_name_valid(struct slice name)
{
	if (name.n == 0 || name.n > USER_NAME_MAX || slice_eq(name, SLICE_STR("so")) ||
	    slice_eq(name, SLICE_STR("user")))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (i > 0 && (c == '-' || c == '_' || c == '.'))))
			return false;
	}
	return true;
}

size_t pin_name_len(struct slice pin)
{
	size_t i = 0;

	while (i < pin.n && i <= USER_NAME_MAX && pin.p[i] != ':')
		i++;
	return i < pin.n && pin.p[i] == ':' && user_name_valid((struct slice){ pin.p, i }) ? i : 0;
}

struct role_record *role_named(struct roles *r, struct slice name)
{
	if (slice_eq(name, SLICE_STR("so")))
		return &r->so;
	if (slice_eq(name, SLICE_STR("user")))
		return &r->user;
	for (struct user *u = r->named; u != NULL; u = u->next)
		if (slice_eq(slice_str(u->rec.name), name))
			return &u->rec;
	return NULL;
}

uint32_t roles_free_id(struct roles *r)
{
	uint32_t id = FIRST_ID;

	for (const struct user *u = r->named; u != NULL; u = u->next)
		if (u->rec.id >= id)
			id = u->rec.id + 1;
	return id;
}

enum hf_err roles_add(struct roles *r, struct slice name, enum role role, uint32_t id,
	struct role_record **ret)
{
	struct user *u = hf_alloc(1, sizeof(*u));

	if (u == NULL)
		return HF_E_MEMORY;
	(void)snprintf(u->rec.name, sizeof(u->rec.name), "%.*s", (int)name.n, (const char *)name.p);
	u->rec.role = role;
	u->rec.id = id;
	u->rec.rights.may = RIGHTS_ALL;
	u->rec.epoch = clock_wall_us(); /* above that of one who had the name before */
	MUTEX_HOLD(&r->lock);
	u->next = r->named;
	r->named = u;
	*ret = &u->rec;
	return HF_OK;
}

void roles_remove(struct roles *r, struct role_record *rec)
{
	MUTEX_HOLD(&r->lock);
	struct user **at = &r->named, *u;

	while (*at != NULL && &(*at)->rec != rec)
		at = &(*at)->next;
	u = *at;
	if (u == NULL)
		return;
	*at = u->next;
	hf_free(u);
}

static void role_record_name(const char *serial, const char *role, char ret[ROLE_NAME_LEN])
{
	bool hsm = strcmp(serial, HSM_SELF) == 0;

	(void)snprintf(ret, ROLE_NAME_LEN, "%s%s/role/%s", hsm ? "" : "p/", serial, role);
}

static enum hf_err drop_one(struct hsm *h, struct partition *p, struct role_record *r)
{
	struct record_change c = { .expect = r->version };
	char name[ROLE_NAME_LEN];

	role_record_name(p->serial, r->name, name);
	c.name = name;
	TRY(activation_end(h, p, r->name));
	TRY(records_write(h->records, &c, 1));
	if (records_fail_get(h->records, p->serial, r->id) > 0)
		TRY(records_fail_set(h->records, p->serial, r->id, 0));
	roles_remove(p->roles, r);
	return HF_OK;
}

enum hf_err users_drop(struct hsm *h, struct partition *p)
{
	while (p->roles->named != NULL)
		TRY(drop_one(h, p, &p->roles->named->rec));
	return HF_OK;
}

enum hf_err user_drop(struct hsm *h, struct partition *p, struct slice name)
{
	struct role_record *r = user_name_valid(name) ? role_named(p->roles, name) : NULL;

	return r != NULL ? drop_one(h, p, r) : HF_E_USER_TYPE;
}

/* --- records ---------------------------------------------------------------- */

static void memory_enc(const struct pin_memory *m, struct buf *out)
{
	buf_raw(out, SLICE_OF(m->salt));
	buf_u32(out, m->kib);
	buf_u32(out, m->passes);
	buf_raw(out, SLICE_OF(m->tag));
}

static bool take(struct rd *r, void *to, size_t n)
{
	const uint8_t *p;

	if (!rd_take(r, n, &p))
		return false;
	memcpy(to, p, n);
	return true;
}

static bool memory_dec(struct rd *r, struct pin_memory *m)
{
	return take(r, m->salt, sizeof(m->salt)) && rd_u32(r, &m->kib) && rd_u32(r, &m->passes) &&
		take(r, m->tag, sizeof(m->tag));
}

void role_record_enc(const struct role_record *r, struct buf *out)
{
	buf_u8(out, FORMAT);
	buf_u8(out, (uint8_t)r->role);
	buf_u32(out, r->id);
	buf_bool(out, r->set);
	buf_bool(out, r->change);
	buf_u64(out, r->changed);
	buf_u64(out, r->epoch);
	buf_raw(out, SLICE_OF(r->wrapped));
	memory_enc(&r->pin, out);
	buf_u32(out, r->old_n);
	for (unsigned i = 0; i < r->old_n; i++)
		memory_enc(&r->old[i], out);
	buf_bool(out, r->blocked);
	buf_u32(out, r->rights.may);
	buf_bytes(out, slice_str(r->rights.keys));
	buf_bool(out, r->challenge_set);
	memory_enc(&r->challenge, out);
	buf_bool(out, r->quorum.m > 0);
	if (r->quorum.m > 0)
		quorum_enc(&r->quorum, out);
	buf_bool(out, r->paired);
	if (r->paired) {
		buf_raw(out, SLICE_OF(r->pair.public_key));
		buf_raw(out, SLICE_OF(r->pair.wrapped));
	}
	buf_raw(out, SLICE_OF(r->under));
	buf_u64(out, r->person);
	buf_u8(out, r->form);
}

static bool dec_1(struct rd *r, struct role_record *t)
{
	return rd_bool(r, &t->set) && rd_u64(r, &t->epoch) &&
		take(r, t->pin.salt, sizeof(t->pin.salt)) && rd_u32(r, &t->pin.kib) &&
		rd_u32(r, &t->pin.passes) && take(r, t->wrapped, sizeof(t->wrapped));
}

static bool dec_2(struct rd *r, struct role_record *t)
{
	uint8_t role;
	uint32_t n;

	if (!rd_u8(r, &role) || !rd_u32(r, &t->id) || !rd_bool(r, &t->set) ||
	    !rd_bool(r, &t->change) || !rd_u64(r, &t->changed) || !rd_u64(r, &t->epoch) ||
	    !take(r, t->wrapped, sizeof(t->wrapped)) || !memory_dec(r, &t->pin) || !rd_u32(r, &n) ||
	    n > PIN_MEMORIES)
		return false;
	t->role = (enum role)role;
	for (; t->old_n < n; t->old_n++)
		if (!memory_dec(r, &t->old[t->old_n]))
			return false;
	return t->role == ROLE_SO || role_is_user(t->role) || role_is_of_hsm(t->role);
}

static bool dec_3(struct rd *r, struct role_record *t)
{
	return dec_2(r, t) && rd_bool(r, &t->blocked);
}

static bool dec_4(struct rd *r, struct role_record *t)
{
	struct slice keys;

	if (!dec_3(r, t) || !rd_u32(r, &t->rights.may) || !rd_text(r, RIGHTS_KEYS, &keys) ||
	    !rights_valid(t->rights.may, keys))
		return false;
	rights_set(&t->rights, t->rights.may, keys);
	return true;
}

static bool dec_5(struct rd *r, struct role_record *t)
{
	return dec_4(r, t) && rd_bool(r, &t->challenge_set) && memory_dec(r, &t->challenge);
}

static bool dec_6(struct rd *r, struct role_record *t)
{
	bool has;

	return dec_5(r, t) && rd_bool(r, &has) && (!has || quorum_dec(r, &t->quorum));
}

static bool dec_7(struct rd *r, struct role_record *t)
{
	return dec_6(r, t) && rd_bool(r, &t->paired) && (!t->paired ||
		(take(r, t->pair.public_key, sizeof(t->pair.public_key)) &&
		take(r, t->pair.wrapped, sizeof(t->pair.wrapped))));
}

static bool dec_8(struct rd *r, struct role_record *t)
{
	return dec_7(r, t) && take(r, t->under, sizeof(t->under));
}

static bool dec_9(struct rd *r, struct role_record *t)
{
	return dec_8(r, t) && rd_u64(r, &t->person);
}

static bool dec_10(struct rd *r, struct role_record *t)
{
	return dec_9(r, t) && rd_u8(r, &t->form) && t->form <= PIN_FORM_NAMED;
}

static bool dec_any(struct rd *r, struct role_record *t)
{
	static bool (*const dec[])(struct rd *, struct role_record *) = {
		[FORMAT_1] = dec_1, [FORMAT_2] = dec_2, [FORMAT_3] = dec_3, [FORMAT_4] = dec_4,
		[FORMAT_5] = dec_5, [FORMAT_6] = dec_6, [FORMAT_7] = dec_7,
		[FORMAT_8] = dec_8, [FORMAT_9] = dec_9, [FORMAT] = dec_10,
	};
	uint8_t format;

	return rd_u8(r, &format) && format >= FORMAT_1 && format <= FORMAT && dec[format](r, t);
}

enum hf_err role_record_dec(struct slice in, struct role_record *ret)
{
	struct role_record t = *ret;
	struct rd r = rd_of(in);

	t.old_n = 0;
	t.paired = false;
	t.person = 0;
	t.form = PIN_FORM_UNKNOWN;
	memset(t.under, 0, sizeof(t.under));
	t.quorum = (struct quorum){ .m = 0 };
	t.rights = (struct rights){ .may = RIGHTS_ALL };
	if (!dec_any(&r, &t) || !rd_done(&r))
		return HF_E_DAMAGED;
	*ret = t;
	return HF_OK;
}

enum hf_err role_change(const char *serial, const struct role_record *now,
	const struct role_record *next, char name[ROLE_NAME_LEN], struct buf *b,
	struct record_change *ret)
{
	role_record_name(serial, now->name, name);
	role_record_enc(next, b);
	TRY(buf_err(b));
	*ret = (struct record_change){
		.name = name,
		.expect = now->version,
		.version = now->version + 1,
		.seal = SEAL_STORE,
		.plain = buf_slice(b),
	};
	return HF_OK;
}

enum hf_err role_store(struct hsm *h, struct partition *p, struct role_record *now,
	const struct role_record *next)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(ROLE_RECORD_MAX);
	char name[ROLE_NAME_LEN];
	struct record_change c;

	TRY(role_change(p->serial, now, next, name, &b, &c));
	TRY(records_write(h->records, &c, 1));
	MUTEX_HOLD(&p->roles->lock);
	*now = *next;
	now->version = c.version;
	return HF_OK;
}

/* --- PINs -------------------------------------------------------------------- */

unsigned pin_min(const struct hsm *h, const struct partition *p)
{
	unsigned least = (unsigned)policy_value(p, POLICY_PIN_MIN);

	return least > h->cfg.pin_min ? least : h->cfg.pin_min;
}

unsigned pin_max(const struct hsm *h, const struct partition *p)
{
	unsigned most = (unsigned)policy_value(p, POLICY_PIN_MAX);

	return most < h->cfg.pin_max ? most : h->cfg.pin_max;
}

unsigned pin_failures(const struct hsm *h, const struct partition *p)
{
	unsigned most = (unsigned)policy_value(p, POLICY_PIN_FAILURES);

	return most < h->cfg.pin_failures ? most : h->cfg.pin_failures;
}

enum hf_err pin_length(const struct hsm *h, const struct partition *p, struct slice pin)
{
	return pin.n >= pin_min(h, p) && pin.n <= pin_max(h, p) ? HF_OK : HF_E_PIN_LENGTH;
}

bool approved_mode(const struct partition *p)
{
	return policy_value(p, POLICY_NON_APPROVED) == 0;
}

void pin_kdf(const struct hsm *h, const struct partition *p, uint32_t *ret_kib, uint32_t *ret_passes)
{
	passphrase_kdf(h, p != NULL && approved_mode(p), ret_kib, ret_passes);
}

void passphrase_kdf(const struct hsm *h, bool approved, uint32_t *ret_kib, uint32_t *ret_passes)
{
	bool pbkdf2 = h->cfg.pin_pbkdf2 || approved;

	*ret_kib = pbkdf2 ? 0 : h->cfg.argon2_kib;
	*ret_passes = pbkdf2 ? h->cfg.pbkdf2_passes : h->cfg.argon2_passes;
}

enum hf_err pin_stretch(const struct pin_memory *m, struct slice pin, struct secret *ret)
{
	return crypto_stretch(pin, SLICE_OF(m->salt), m->kib, m->passes, ret);
}

enum hf_err pin_tag(struct slice stretched, uint8_t tag[CRYPTO_HASH])
{
	return crypto_hmac(stretched, SLICE_STR("holdfast PIN memory"), tag);
}

/* was: is this the PIN that m remembers? */
static enum hf_err was(const struct pin_memory *m, struct slice pin, bool *ret)
{
	CLEANUP(secret_done) struct secret stretched = { 0 };
	uint8_t tag[CRYPTO_HASH];

	TRY(pin_stretch(m, pin, &stretched));
	TRY(pin_tag(secret_slice(&stretched), tag));
	*ret = secret_eq(SLICE_OF(tag), SLICE_OF(m->tag));
	return HF_OK;
}

static unsigned classes(struct slice pin)
{
	unsigned bits = 0;

	for (size_t i = 0; i < pin.n; i++) {
		uint8_t c = pin.p[i];

		bits |= c >= '0' && c <= '9' ? 1u : c >= 'a' && c <= 'z' ? 2u :
			c >= 'A' && c <= 'Z' ? 4u : 8u;
	}
	return (bits & 1) + (bits >> 1 & 1) + (bits >> 2 & 1) + (bits >> 3 & 1);
}

enum hf_err pin_allowed(const struct hsm *h, const struct partition *p,
	const struct role_record *now, struct slice pin)
{
	unsigned back = (unsigned)policy_value(p, POLICY_PIN_HISTORY);
	bool same = false;

	TRY(pin_length(h, p, pin));
	if (classes(pin) < policy_value(p, POLICY_PIN_CLASSES))
		return HF_E_PIN_CLASSES;
	if (back > 0 && now->set)
		TRY(was(&now->pin, pin, &same));
	for (unsigned i = 0; i + 1 < back && i < now->old_n && !same; i++)
		TRY(was(&now->old[i], pin, &same));
	return same ? HF_E_PIN_USED : HF_OK;
}

bool pin_expired(const struct partition *p, const struct role_record *r)
{
	uint64_t days = policy_value(p, POLICY_PIN_DAYS);

	if (r->quorum.m > 0) /* nobody knows it who could change it */
		return false;
	if (r->change)
		return true;
	return days != 0 && r->changed != 0 && clock_wall_us() > r->changed + days * US_PER_DAY;
}

void role_unset(const struct role_record *now, struct role_record *ret)
{
	struct role_record t = { .version = now->version, .epoch = now->epoch + 1, .role = now->role,
		.id = now->id, .rights = now->rights };

	memcpy(t.name, now->name, sizeof(t.name));
	*ret = t;
}

enum hf_err pin_remember(const struct hsm *h, const struct partition *p, struct slice pin,
	struct pin_memory *ret)
{
	CLEANUP(secret_done) struct secret stretched = { 0 };
	struct pin_memory m = { .kib = 0 };

	pin_kdf(h, p, &m.kib, &m.passes);
	TRY(crypto_random(m.salt, sizeof(m.salt)));
	TRY(pin_stretch(&m, pin, &stretched));
	TRY(pin_tag(secret_slice(&stretched), m.tag));
	*ret = m;
	return HF_OK;
}

/* --- lock-out ----------------------------------------------------------------- */

bool role_locked(struct hsm *h, const struct partition *p, const struct role_record *r)
{
	return records_fail_get(h->records, p->serial, r->id) >= pin_failures(h, p);
}

bool role_condemns(struct hsm *h, const struct partition *p, const struct role_record *r)
{
	bool destroys = r->role == ROLE_SO ? policy_value(p, POLICY_LOCK_OUT_SO) == 1 :
		policy_value(p, POLICY_LOCK_OUT_USER) == 2;

	return destroys && r->set && role_locked(h, p, r);
}

static enum hf_err role_usable(struct hsm *h, const struct partition *p,
	const struct role_record *r)
{
	if (r->version == 0)
		return HF_E_DAMAGED;
	if (!r->set)
		return HF_E_PIN_NOT_SET;
	if (r->blocked)
		return HF_E_USER_BLOCKED;
	return role_locked(h, p, r) ? HF_E_PIN_LOCKED : HF_OK;
}

/* take_back tries twice: what fails for want of memory should lock nobody out. */
static enum hf_err take_back(struct hsm *h, const struct partition *p,
	const struct role_record *r, unsigned failures)
{
	if (records_fail_set(h->records, p->serial, r->id, failures) == HF_OK)
		return HF_OK;
	return records_fail_set(h->records, p->serial, r->id, failures);
}

/* by_challenge: *ret stays empty if it is none. */
static enum hf_err by_challenge(struct partition *p, const struct role_record *r,
	struct slice pin, struct secret *ret)
{
	bool same;

	if (!r->challenge_set || !activation_is(p, r->name))
		return HF_OK;
	TRY(was(&r->challenge, pin, &same));
	return same ? partition_key(p, ret) : HF_OK;
}

enum hf_err role_open_active(struct hsm *h, struct partition *p, struct role_record *r,
	struct slice pin, struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(role_usable(h, p, r));
	TRY(by_challenge(p, r, pin, &key));
	if (key.n == 0)
		return role_open(h, p, r, pin, ret);
	TRY(records_fail_set(h->records, p->serial, r->id, 0));
	*ret = secret_take(&key);
	return HF_OK;
}

static void wrong_pin(struct hsm *h, struct partition *p, const struct role_record *r)
{
	char text[80];

	if (!role_locked(h, p, r))
		return;
	(void)snprintf(text, sizeof(text), "partition %s, %s", p->serial, r->name);
	log_warn("%s: the PIN is locked now", text);
	atomic_fetch_add(&h->locked_out, 1);
	if (h->audit != NULL && audit_event(h->audit, "pin-locked", text, HF_E_PIN_LOCKED) != HF_OK)
		log_error("audit: a PIN that locked could not be recorded");
	if (role_condemns(h, p, r))
		atomic_store(&p->condemned, true);
}

enum hf_err role_open(struct hsm *h, struct partition *p, struct role_record *r,
	struct slice pin, struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	unsigned failures;
	bool foreign;
	enum hf_err e;

	TRY(role_usable(h, p, r));
	if (r->quorum.m > 0 && !r->challenge_set) { /* a challenge can be guessed */
		e = role_unwrap(h, p, r, pin, ret, &foreign);
		if (e == HF_OK)
			role_renew(h, p, r, pin, secret_slice(ret), foreign);
		return e == HF_E_PIN_INCORRECT ? HF_E_QUORUM : e;
	}
	if (pin.n == 0) /* no guess either */
		return HF_E_PIN_INCORRECT;
	failures = records_fail_get(h->records, p->serial, r->id);
	TRY(records_fail_set(h->records, p->serial, r->id, failures + 1));
	e = role_unwrap(h, p, r, pin, &key, &foreign);
	if (e == HF_E_PIN_INCORRECT) {
		wrong_pin(h, p, r);
		return e;
	}
	/* A failure of ours (no memory) was no guess: the count is as it was. */
	TRY(take_back(h, p, r, e == HF_OK ? 0 : failures));
	TRY(e);
	role_renew(h, p, r, pin, secret_slice(&key), foreign);
	*ret = secret_take(&key);
	return HF_OK;
}
