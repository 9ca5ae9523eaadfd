"""What the pages of a customer, a household and a company show. Higher apps add parts and events of their own."""
