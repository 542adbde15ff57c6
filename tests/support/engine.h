/* engine.h: a partition, an application and a session by hand, over stand-ins
 * for the store and for cryptography, to test objects and operations alone. */
#ifndef HF_TEST_ENGINE_H
#define HF_TEST_ENGINE_H

#include "module.h"
#include "object.h"
#include "op.h"
#include "tmpl.h"

struct engine {
	struct hsm hsm;
	struct partition part;
	struct app app;
	struct app_login login;
	struct session session;
	struct arena arena;
	struct calls_ctx c;
};

void engine_open(struct engine *e); /* the user is logged in, the session may write */
void engine_close(struct engine *e);
/* engine_call begins another call: new request number, empty arena. */
void engine_call(struct engine *e);

/* engine_add adds an object made by C_CreateObject from t; the reference is the
 * table's own. */
struct object *engine_add(struct engine *e, struct attr_list t);

/* --- the store's stand-in ------------------------------------------------ */

struct stub_store {
	enum hf_err fail;   /* what the next writes end with */
	unsigned writes;    /* batches */
	size_t records;     /* that exist */
	/* called while a write is under way, before it is done */
	void (*during)(void *ctx);
	void *ctx;
};
extern struct stub_store stub_store;
/* stub_record finds the plain bytes of the record whose name ends so. */
bool stub_record(const char *end, struct slice *ret, uint64_t *ret_version);

/* --- cryptography's stand-in ----------------------------------------------- */

/* stub_uid makes the next `n` random draws of 16 bytes begin with this. */
void stub_uid(const uint8_t head[6], unsigned n);

/* Mechanisms: encryption adds 1 to each byte; the padded one appends a byte 'P'
 * that decryption wants and cuts; a signature is "sig:" and the number of bytes;
 * a digest "dig:" and the number of bytes. */
#define STUB_CIPHER 0x80000001u
#define STUB_PADDED 0x80000002u
#define STUB_SIGN 0x80000003u   /* with update */
#define STUB_ONCE 0x80000004u   /* the family has no update */
#define STUB_DIGEST 0x80000005u
#define STUB_LEGACY 0x80000006u
#define STUB_IDLE 0x80000007u   /* its family can do nothing */
extern int stub_states; /* that families hold */

#endif
