/* partition.h: partitions, and the slots that they are in. */
#ifndef HF_PARTITION_H
#define HF_PARTITION_H

#include "module.h"
#include "records.h"
#include "roles.h"

#define PARTITIONS_MAX 4000u /* below the limit of slot_list */
#define PART_NAME_LEN 64     /* of a record that is no object */

void partition_ref(struct partition *p);
void partition_unref(struct partition *p); /* NULL-safe */

/* partitions_load reads all partitions and their public objects. */
enum hf_err partitions_load(struct hsm *h) HF_MUST_CHECK;
void partitions_drop(struct hsm *h);
/* partition_load_private adds its private objects; key is the partition's. */
enum hf_err partition_load_private(struct hsm *h, struct partition *p, struct slice key)
	HF_MUST_CHECK;

enum hf_err partition_load_public(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* partition_renew makes of a partition's own record of a backup one to store: tickets of the time
 * before are void. It gets this label; "": label tells the one it has. HF_E_DAMAGED.
 * partition_adopt lets a partition appear whose records are all stored. */
enum hf_err partition_renew(struct slice plain, const char *serial, char label[33],
	struct buf *out) HF_MUST_CHECK;
enum hf_err partition_adopt(struct hsm *h, const char *serial) HF_MUST_CHECK;

/* Lookups give a reference, or NULL. */
struct partition *partition_at(struct hsm *h, uint64_t slot);
struct partition *partition_by_serial(struct hsm *h, struct slice serial);
/* partitions_all gives references to all, by slot, in a. */
enum hf_err partitions_all(struct hsm *h, struct arena *a, struct partition ***ret, size_t *ret_n)
	HF_MUST_CHECK;
/* partition_void_tickets: no ticket brings a login of before back. It is durable when it returns. */
enum hf_err partition_void_tickets(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* partitions_damaged counts damaged records, those of no partition included. */
enum hf_err partitions_damaged(struct hsm *h, size_t *ret) HF_MUST_CHECK;
void partitions_unref(struct partition **v, size_t n);
uint64_t partition_free_slot(struct hsm *h);

/* partition_open: HF_E_DISABLED, or HF_E_CONFLICT while it begins anew. */
enum hf_err partition_open(struct partition *p) HF_MUST_CHECK;

/* partition_whole finishes a destruction of its objects that was cut short; nothing else may be done there
 * before. HF_E_WIPE_PENDING: the store still does not take it. */
enum hf_err partition_whole(struct hsm *h, struct partition *p) HF_MUST_CHECK;

/* partition_seen finds one for the calls that change it, and makes it the call's: HF_E_NO_PARTITION, or as
 * partition_whole. */
enum hf_err partition_seen(struct calls_ctx *c, struct slice serial, struct partition **ret)
	HF_MUST_CHECK;
/* partition_sees: the peer is among the partition's clients (or administers). */
bool partition_sees(struct partition *p, const struct hsm *h, const struct peer *peer);

struct partition_new {
	struct slice label;
	struct slice so_pin, user_pin; /* the second may be empty */
	struct identity_list clients;
	bool unique_label;
	uint64_t slot;                 /* or PARTITION_ANY */
};
#define PARTITION_ANY UINT64_MAX
/* partition_create: *ret is a reference. */
enum hf_err partition_create(struct hsm *h, const struct partition_new *n, struct partition **ret)
	HF_MUST_CHECK;
/* partition_reset is C_InitToken on a partition: new key, no objects, no user PIN. */
enum hf_err partition_reset(struct hsm *h, struct partition *p, struct slice so_pin,
	struct slice label) HF_MUST_CHECK;
enum hf_err partition_delete(struct hsm *h, struct partition *p) HF_MUST_CHECK;

/* PKCS#11 pads labels with blanks. */
struct slice label_trimmed(struct slice label);

/* struct partition_edit is what an administrator changes without any PIN. */
enum { EDIT_LABEL = 1, EDIT_ENABLED = 2, EDIT_LIMITS = 4, EDIT_CLIENTS = 8, EDIT_ALL = 15 };
struct partition_edit {
	unsigned what; /* EDIT_ */
	struct slice label;
	bool enabled;  /* false: its sessions end and none may open */
	uint64_t max_objects, max_bytes; /* 0: as many as the HSM allows */
	struct identity_list clients;
};
enum hf_err partition_edit(struct hsm *h, struct partition *p, const struct partition_edit *e)
	HF_MUST_CHECK;

/* partition_policies_set needs the officer's PIN. HF_E_DESTRUCTIVE: the change
 * destroys all objects and the caller did not say that it may. */
enum hf_err partition_policies_set(struct calls_ctx *c, struct partition *p, struct slice so_pin,
	struct policy_value_list changes, bool may_destroy, bool *ret_destroyed) HF_MUST_CHECK;

/* partition_domain_set gives it another security domain (all zero: none), with the officer's PIN.
 * HF_E_POLICY: it keeps the one that it has. */
enum hf_err partition_domain_set(struct calls_ctx *c, struct partition *p, struct slice so_pin,
	const uint8_t id[DOMAIN_ID]) HF_MUST_CHECK;

/* partition_lock_out destroys the objects of a partition that is condemned, and the
 * PINs that are locked; at a start what a crash cut short. */
enum hf_err partition_lock_out(struct hsm *h, struct partition *p) HF_MUST_CHECK;
enum hf_err partition_lock_out_load(struct hsm *h, struct partition *p) HF_MUST_CHECK;

/* partition_delete_damaged deletes one that could not be loaded; HF_E_NO_PARTITION
 * if there is none of that serial number. */
enum hf_err partition_delete_damaged(struct hsm *h, struct slice serial) HF_MUST_CHECK;

#endif
