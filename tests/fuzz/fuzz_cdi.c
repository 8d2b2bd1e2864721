/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CDI specifications: any text ends in a specification or a message with a line; a good one decodes the same again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cdi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cdi_spec *s, *again;
	struct err e = { 0 };

	if (cdi_decode("f", (const char *)data, size, &s, &e) < 0) {
		assert(!s && e.code && (strncmp(e.text, "f:", 2) == 0 || e.code == ENOMEM));
		return 0;
	}
	assert(s->vendor[0] && s->class[0] && s->ndevices);
	for (unsigned int i = 0; i < s->ndevices; i++) {
		assert(s->devices[i].name[0]);
		for (unsigned int k = 0; k < s->devices[i].edits.nnodes; k++)
			assert(s->devices[i].edits.nodes[k].path);
		for (unsigned int k = 0; k < s->devices[i].edits.nenv; k++)
			assert(strchr(s->devices[i].edits.env[k], '='));
	}
	assert(cdi_decode("f", (const char *)data, size, &again, &e) == 0);
	assert(again->ndevices == s->ndevices);
	cdi_spec_free(again);
	cdi_spec_free(s);
	return 0;
}
