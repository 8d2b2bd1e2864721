/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between GPUs and the CDI devices that stand for them. Looks only; provisiond's main process may call it. */
#pragma once
#include "cdi.h"
#include "gpu.h"

/* Is it the name of a CDI device ("vendor.com/class=name"), or of an instance that only CDI knows ("MIG-...")? */
bool gpu_cdi_is_name(const char *word);
/* cdi_find, and "MIG-UUID" in whatever kind has it. */
int gpu_cdi_find(const struct cdi_list *c, const char *word, const struct cdi_spec **spec,
		 const struct cdi_device **dev, struct err *e);
/*
 * The ids that leasing this device takes: of every GPU that one of its nodes belongs to; "cdi:NAME" when there is none.
 */
int gpu_cdi_ids(const struct gpu_list *l, const struct cdi_device *dev, const char *name, char *ids,
		size_t size, struct err *e);
/* The CDI device that stands for this GPU and for no other. false: none does. */
bool gpu_cdi_for(const struct cdi_list *c, const struct gpu_list *l, const struct gpu *g,
		 const struct cdi_spec **spec, const struct cdi_device **dev);
/* A number that changes when what a container gets for the device does. */
uint64_t gpu_cdi_digest(const struct cdi_spec *spec, const struct cdi_device *dev);
