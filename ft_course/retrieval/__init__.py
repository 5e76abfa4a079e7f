"Documents that are searched: passages, an index of them in an embedded database, a folder of text files."
