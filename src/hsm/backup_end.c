/* backup_end.c: how a backup or restore is given up; apart, because any session's end needs it. */
#include "backup.h"

void backup_chain_done(struct backup_chain *c)
{
	secret_done(&c->objects_key);
	secret_done(&c->end_key);
}

void backup_free(struct backup *b)
{
	if (b == NULL)
		return;
	for (size_t i = b->at; i < b->n; i++)
		object_unref(b->v[i]);
	hf_free(b->v);
	backup_chain_done(&b->chain);
	hf_free(b);
}

void backup_drop(struct session *s)
{
	backup_free(s->backup);
	s->backup = NULL;
}
