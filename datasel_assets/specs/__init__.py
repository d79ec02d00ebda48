"""What the files of a data folder may say, as strict models, one file of this folder for each kind.

Belongs here: keys, limits, defaults, what must agree inside one file, and what follows from the description alone
(names of tables, identities for fingerprints). Does not: reading YAML and what must agree between files (``registry``),
anything that computes.

Where this folder lies. A recipe names a sampler and gives its parameters, and those stand in the sampler's own file, so
that a sampler is one file; a source names a format. ``samplers`` and ``formats`` therefore lie below. The other pure
folders (``representations``, ``indicators``, ``corpus``) take these models as the parameters of their functions and lie
above. Nothing of theirs is imported here, so there is no circle.
"""
