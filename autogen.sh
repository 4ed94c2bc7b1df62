#!/bin/sh
# SPDX-License-Identifier: ISC
# Make ./configure from a checkout.
cd "$(dirname "$0")" && mkdir -p m4 && exec autoreconf --install --warnings=all
