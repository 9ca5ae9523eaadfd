"""The records: who the customers are, what they did, what they allow."""

from crm.models.access import ApiToken
from crm.models.accounts import Invoice
from crm.models.activity import Answer, Note, Question, Review, SignupForm, Survey, WebVisit, WishlistItem
from crm.models.consents import Consent, ConsentWording, OptIn, Purpose, Suppression, Topic
from crm.models.custom import CustomField
from crm.models.jobs import Job, Mending, Upload
from crm.models.loyalty import LoyaltyCard, LoyaltyEntry, LoyaltyProgramme, PointsRule, Tier, TierAward
from crm.models.mails import QueuedMail, ReceiptMail, ServiceMail
from crm.models.merging import ComparedCustomer, DuplicateExpectation, DuplicatePair, Merge, MergeMove
from crm.models.names import CustomerName, NameWord
from crm.models.people import Channel, Company, Customer, ExternalId, Frequency, Gender, Household
from crm.models.places import PostcodePlace
from crm.models.privacy import AuditEntry, DataRequest, ErasedIdentity
from crm.models.profile import ChangeMark, CustomerCategory, CustomerProfile, UsualPrice
from crm.models.receipts import Receipt, ReceiptKind, ReceiptLine, ReceiptVoid, SalesChannel
from crm.models.shop import Category, Product, Shop, Store

__all__ = [
    "Answer",
    "ApiToken",
    "AuditEntry",
    "Category",
    "ChangeMark",
    "Channel",
    "Company",
    "ComparedCustomer",
    "Consent",
    "ConsentWording",
    "CustomField",
    "Customer",
    "CustomerCategory",
    "CustomerName",
    "CustomerProfile",
    "DataRequest",
    "DuplicateExpectation",
    "DuplicatePair",
    "ErasedIdentity",
    "ExternalId",
    "Frequency",
    "Gender",
    "Household",
    "Invoice",
    "Job",
    "LoyaltyCard",
    "LoyaltyEntry",
    "LoyaltyProgramme",
    "Mending",
    "Merge",
    "MergeMove",
    "NameWord",
    "Note",
    "OptIn",
    "PointsRule",
    "PostcodePlace",
    "Product",
    "Purpose",
    "Question",
    "QueuedMail",
    "Receipt",
    "ReceiptKind",
    "ReceiptLine",
    "ReceiptMail",
    "ReceiptVoid",
    "Review",
    "SalesChannel",
    "ServiceMail",
    "Shop",
    "SignupForm",
    "Store",
    "Suppression",
    "Survey",
    "Tier",
    "TierAward",
    "Topic",
    "Upload",
    "UsualPrice",
    "WebVisit",
    "WishlistItem",
]
