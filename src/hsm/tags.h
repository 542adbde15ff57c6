/* tags.h: private objects are found by label or id before their records are read.
 *
 * The record of a private object bears two tags beside what is sealed (records.h): 32 bits each of an
 * HMAC of its label and of its CKA_ID, under a key that comes of the partition's. From the start on a table
 * in memory knows the tags of all records in the store. What they lead to is opened and compared: a tag alone
 * decides nothing, and one that was changed makes its record one that does not open. */
#ifndef HF_TAGS_H
#define HF_TAGS_H

#include "bytes.h"
#include "records.h"
#include "secret.h"

#define TAGS_FOUND 1000u /* handles that one search may bring; past that all records are read instead */

struct tags;

/* tags_key makes the key of the HMAC; tag_of makes one tag (which: RECORD_TAG_). */
enum hf_err tags_key(struct slice partition_key, struct secret *ret) HF_MUST_CHECK;
enum hf_err tag_of(struct slice key, unsigned which, struct slice value, uint32_t *ret) HF_MUST_CHECK;

enum hf_err tags_new(struct tags **ret) HF_MUST_CHECK;
void tags_free(struct tags *t); /* NULL-safe, as the next four */
/* tags_put tells of a record that the store has now, by its name; an older version than the one known changes
 * nothing. tags_gone: it has it no more. Where memory lacks, tags_find gives up from then on. */
void tags_put(struct tags *t, const char *name, uint64_t version, const struct record_tags *v);
void tags_gone(struct tags *t, const char *name);
/* tags_doubt: what the store has is not known for sure. */
void tags_doubt(struct tags *t);
void tags_clear(struct tags *t); /* it has none of them, for sure */

/* tags_lack: there are records of an older format, without tags. tags_settle: those that are left cannot be
 * opened. */
bool tags_lack(struct tags *t);
void tags_settle(struct tags *t);

/* struct tag_wanted: either of n tags on the way `which`. */
struct tag_wanted {
	unsigned which;
	uint32_t v[2];
	size_t n;
};
/* tags_find lists the handles of all records that may be meant. HF_E_LIMIT: too many, or it cannot tell. */
enum hf_err tags_find(struct tags *t, const struct tag_wanted *w, uint64_t ret[TAGS_FOUND], size_t *ret_n)
	HF_MUST_CHECK;

#endif
